use serde_json::{Value, json};

use super::*;
use crate::compose::StackService;
use crate::home::StackName;

fn spec(image: &str) -> Value {
    json!({
        "Name": "app_web",
        "Labels": {STACK_LABEL: "app", IMAGE_LABEL: image},
        "TaskTemplate": {
            "ContainerSpec": {"Image": image, "Privileges": {}},
            "Placement": {}, "Resources": {},
        },
        "EndpointSpec": {},
    })
}

fn stack(image: &str) -> Stack {
    Stack {
        name: StackName::new("app").unwrap(),
        networks: BTreeMap::new(),
        external_networks: vec![],
        secrets: BTreeMap::new(),
        external_secrets: vec![],
        configs: BTreeMap::new(),
        external_configs: vec![],
        volumes: vec![],
        services: vec![StackService {
            key: "web".into(),
            spec: serde_json::from_value(spec(image)).unwrap(),
            depends_on: vec![],
        }],
    }
}

fn live(image: &str, used: &str) -> Live {
    let mut spec = spec(image);
    spec["TaskTemplate"]["ContainerSpec"]["Image"] = json!(used);
    spec["TaskTemplate"]["Placement"] =
        json!({"Platforms": [{"Architecture": "amd64", "OS": "linux"}]});
    let service = json!({"ID": "id", "Version": {"Index": 7}, "Spec": spec});
    Live {
        services: [("app_web".to_owned(), serde_json::from_value(service).unwrap())].into(),
        ..Default::default()
    }
}

fn images(work: &Work) -> &str {
    image_of(&work.services[0].spec).unwrap()
}

#[test]
fn an_image_in_use_keeps_its_digest() {
    let live = live("web:1", "web:1@sha256:aa");
    assert!(images_to_resolve(&stack("web:1"), &live, ResolveImage::Kept).is_empty());
    let work = Work::compute(&stack("web:1"), &live, &BTreeMap::new(), &Policy::default());
    assert_eq!(images(&work), "web:1@sha256:aa");
    assert!(work.is_empty(), "{:?}", work.plan());
}

#[test]
fn another_image_is_resolved() {
    let live = live("web:1", "web:1@sha256:aa");
    assert_eq!(
        images_to_resolve(&stack("web:2"), &live, ResolveImage::Kept),
        BTreeSet::from(["web:2".to_owned()])
    );
    let platforms = serde_json::from_value(json!([
        {"Architecture": "amd64", "OS": "linux"},
        {"Architecture": "arm", "OS": "linux"},
        {"Architecture": "unknown", "OS": "unknown"},
    ]))
    .unwrap();
    let found = Distribution { digest: "sha256:bb".into(), platforms };
    let resolved = [("web:2".to_owned(), found)].into();
    let work = Work::compute(&stack("web:2"), &live, &resolved, &Policy::default());
    assert_eq!(images(&work), "web:2@sha256:bb");
    let placement = work.services[0].spec.task_template.as_ref().unwrap().placement.as_ref();
    assert_eq!(placement.unwrap().platforms.as_ref().unwrap().len(), 3);
    let Action::Update(details) = &work.services[0].action else { panic!("not an update") };
    assert!(details.contains(&"image: web:1@sha256:aa → web:2@sha256:bb".to_owned()));
    // Without a registry the tag itself is sent.
    let work = Work::compute(&stack("web:2"), &live, &BTreeMap::new(), &Policy::default());
    assert_eq!(images(&work), "web:2");
}

#[test]
fn an_image_changed_behind_the_recipes_back_is_seen() {
    let work = Work::compute(
        &stack("web:1"),
        &live("web:1", "evil:1"),
        &BTreeMap::new(),
        &Policy::default(),
    );
    assert!(matches!(&work.services[0].action, Action::Update(_)));
}

#[test]
fn a_paused_update_is_started_again() {
    let mut live = live("web:1", "web:1");
    live.halted.insert("app_web".into());
    let work = Work::compute(&stack("web:1"), &live, &BTreeMap::new(), &Policy::default());
    assert!(matches!(&work.services[0].action, Action::Update(_)));
}

#[test]
fn leftovers_are_those_of_this_stack_that_nothing_uses() {
    let mut live = live("web:1", "web:1");
    let config = |name: &str, labels: Value| -> api::Config {
        serde_json::from_value(json!({"ID": name, "Spec": {"Name": name, "Labels": labels}}))
            .unwrap()
    };
    live.configs = vec![
        config("app_old", json!({STACK_LABEL: "app"})),
        config("app_lock", json!({STACK_LABEL: "app", KIND_LABEL: "lock"})),
        config("other", json!({STACK_LABEL: "other"})),
    ];
    let secret = |name: &str, labels: Value| -> api::Secret {
        serde_json::from_value(json!({"ID": name, "Spec": {"Name": name, "Labels": labels}}))
            .unwrap()
    };
    live.secrets = vec![
        secret("app_file", json!({STACK_LABEL: "app", CONTENT_LABEL: "aa"})),
        secret("app_password_v1", json!({STACK_LABEL: "app"})),
    ];
    let gone = live.services["app_web"].clone();
    live.services.insert("app_gone".into(), gone);
    let stale = Work::compute(&stack("web:1"), &live, &BTreeMap::new(), &Policy::default()).stale;
    let names = |list: &[(String, String)]| list.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
    assert_eq!(names(&stale.services), ["app_gone"]);
    assert_eq!(names(&stale.configs), ["app_old"]);
    assert_eq!(names(&stale.secrets), ["app_file"]);
}

#[test]
fn what_the_files_have_stays_though_no_service_mounts_it() {
    let content = |name: &str, data: &str, labels: Value| json!({"ID": name, "Spec": {"Name": name, "Data": data, "Labels": labels}});
    let labels = json!({STACK_LABEL: "app"});
    let mut wanted = stack("web:1");
    for name in ["app_same", "app_changed"] {
        let spec = json!({"Name": name, "Data": "bmV3", "Labels": labels});
        wanted.configs.insert(name.into(), serde_json::from_value(spec).unwrap());
    }
    let mut live = live("web:1", "web:1");
    live.configs = vec![
        serde_json::from_value(content("app_same", "bmV3", labels.clone())).unwrap(),
        serde_json::from_value(content("app_changed", "b2xk", labels)).unwrap(),
    ];
    let work = Work::compute(&wanted, &live, &BTreeMap::new(), &Policy::default());
    let stale: Vec<_> = work.stale.configs.iter().map(|(name, _)| name.as_str()).collect();
    // Of the changed one there is a successor now.
    assert_eq!(stale, ["app_changed"]);
    assert_eq!(work.configs.len(), 1);
}

#[test]
fn a_task_template_that_is_the_same_is_sent_as_it_was() {
    let names = crate::rollout::diff::Names::default();
    let mut old: api::ServiceSpec =
        live("web:1", "web:1@sha256:aa").services["app_web"].spec.clone().unwrap();
    let mut new = old.clone();
    // Swarm adds it.
    old.task_template.as_mut().unwrap().runtime = Some("container".into());
    new.labels.get_or_insert_default().insert("new".into(), "label".into());
    let sent = over(new, &old, &names, |_| {});
    assert_eq!(sent.task_template, old.task_template);
    assert_ne!(sent.labels, old.labels);
}
