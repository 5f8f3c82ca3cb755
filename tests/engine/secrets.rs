//! Secrets on a swarm: made once, kept, never changed, never shown twice. The
//! same promises for the simulated swarm and the real one.

use crate::support::common;

use std::{collections::BTreeMap, sync::Arc};

use common::real_engine;
use potluck::{
    engine::{Engine, Scope, simulated::Simulated},
    home::{AppName, StackName},
    secrets::{self, Charset, Error, Keeper, SecretPlan, SecretVersion, Shape, Survey},
};

struct Swarm {
    engine: Arc<dyn Engine>,
    app: AppName,
    stack: StackName,
    _folder: tempfile::TempDir,
}

impl Swarm {
    /// Both kinds; the real one only where there is one.
    async fn each(test: &str) -> Vec<Swarm> {
        let folder = || tempfile::tempdir().unwrap();
        let app = AppName::new(format!("secrets-{test}-{}.example", std::process::id())).unwrap();
        let here = folder();
        let simulated = Simulated::open(None, here.path().to_owned()).unwrap();
        let engines: Vec<(Arc<dyn Engine>, _)> = [(Arc::new(simulated) as Arc<dyn Engine>, here)]
            .into_iter()
            .chain(real_engine().await.map(|engine| (engine, folder())))
            .collect();
        engines
            .into_iter()
            .map(|(engine, _folder)| Swarm {
                engine,
                stack: app.stack(),
                app: app.clone(),
                _folder,
            })
            .collect()
    }

    fn plan(&self, name: &str, version: &str) -> SecretPlan {
        SecretPlan {
            name: name.into(),
            version: version.into(),
            full_name: format!("{}_{name}_{version}", self.stack),
            key: Some(format!("SECRET_{}_VERSION", name.to_uppercase())),
            shape: Shape::Password { length: 20, charset: Charset::default() },
            generate: true,
        }
    }

    /// The secrets with a plan as they are on the swarm.
    async fn rows(&self, plans: &[SecretPlan]) -> Vec<SecretVersion> {
        let survey = Survey { plans: plans.to_vec(), ..Survey::default() };
        secrets::versions(self.engine.as_ref(), &self.app, &self.stack, &survey).await.unwrap()
    }

    async fn remove(&self, plan: &SecretPlan) -> Result<(), Error> {
        let rows = self.rows(std::slice::from_ref(plan)).await;
        let found = secrets::find_version(&rows, &plan.name, None)?;
        secrets::remove_stored(self.engine.as_ref(), &found.stored().unwrap()).await
    }

    async fn clean(&self) {
        let all = secrets::stored(self.engine.as_ref(), &self.app, &self.stack, &[]).await.unwrap();
        for secret in all {
            secrets::remove_stored(self.engine.as_ref(), &secret).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_second_generate_keeps_what_exists() {
    for swarm in Swarm::each("twice").await {
        let engine = swarm.engine.as_ref();
        let mut plans = vec![swarm.plan("a", "v1"), swarm.plan("b", "v1"), swarm.plan("c", "v1")];
        plans[2].generate = false;
        let first = secrets::generate(engine, &swarm.app, &plans, &Keeper::none()).await.unwrap();
        assert_eq!(first.made.len(), 2);
        assert!(first.made.iter().all(|made| made.value.len() == 20));
        assert_eq!((first.kept.len(), first.to_insert), (0, vec!["c".to_owned()]));
        let ids = |rows: Vec<SecretVersion>| rows.into_iter().map(|row| row.id);
        let before: Vec<_> = ids(swarm.rows(&plans).await).collect();
        assert!(before[0].is_some() && before[1].is_some() && before[2].is_none());

        let second = secrets::generate(engine, &swarm.app, &plans, &Keeper::none()).await.unwrap();
        assert_eq!((second.made.len(), second.kept), (0, vec!["a".to_owned(), "b".to_owned()]));
        let after: Vec<_> = ids(swarm.rows(&plans).await).collect();
        assert_eq!(before, after);
        swarm.clean().await;
    }
}

#[tokio::test]
async fn of_two_that_generate_at_once_one_makes_each_secret() {
    for swarm in Swarm::each("race").await {
        let engine = swarm.engine.as_ref();
        let plans: Vec<_> = (0..5).map(|i| swarm.plan(&format!("s{i}"), "v1")).collect();
        let keeper = Keeper::none();
        let (one, two) = tokio::join!(
            secrets::generate(engine, &swarm.app, &plans, &keeper),
            secrets::generate(engine, &swarm.app, &plans, &keeper)
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one.made.len() + two.made.len(), 5);
        assert_eq!(one.kept.len() + two.kept.len(), 5);
        swarm.clean().await;
    }
}

#[tokio::test]
async fn an_inserted_secret_cannot_be_changed() {
    for swarm in Swarm::each("insert").await {
        let engine = swarm.engine.as_ref();
        let plan = swarm.plan("a", "v1");
        for (value, fits) in [(0, false), (secrets::MAX_SIZE + 1, false), (secrets::MAX_SIZE, true)]
        {
            let inserted =
                secrets::insert(engine, &swarm.app, &plan, &vec![b'x'; value], &Keeper::none())
                    .await;
            assert_eq!(inserted.is_ok(), fits, "{value} bytes: {inserted:?}");
        }
        let again = secrets::insert(engine, &swarm.app, &plan, b"planted-value", &Keeper::none())
            .await
            .unwrap_err();
        assert!(matches!(again, Error::Exists { .. }), "{again:?}");
        assert!(!format!("{again:?} {again}").contains("planted"));
        secrets::insert(engine, &swarm.app, &swarm.plan("a", "v2"), b"\x00\xff", &Keeper::none())
            .await
            .unwrap();
        swarm.remove(&plan).await.unwrap();
        let again = swarm.remove(&plan).await.unwrap_err();
        assert!(
            matches!(&again, Error::NotStored { stored, .. } if *stored == ["v2"]),
            "{again:?}"
        );
        swarm.clean().await;
    }
}

#[tokio::test]
async fn secrets_belong_to_the_app_and_not_to_the_stack() {
    for swarm in Swarm::each("own").await {
        let engine = swarm.engine.as_ref();
        let plan = swarm.plan("a", "v1");
        secrets::generate_one(engine, &swarm.app, &plan, &Keeper::none()).await.unwrap();
        let stack = engine.secrets(Scope::Stack(&swarm.stack)).await.unwrap();
        assert!(stack.is_empty(), "`docker stack rm` would remove it");
        // One that abra made: no label, another version, and the neighbour's.
        let neighbour = AppName::new("elsewhere.example").unwrap();
        secrets::insert(engine, &neighbour, &swarm.plan("a_b", "v1"), b"x", &Keeper::none())
            .await
            .unwrap();
        let unlabelled = potluck::engine::api::SecretSpec {
            name: Some(format!("{}_a_v0", swarm.stack)),
            data: Some("eA==".into()),
            ..Default::default()
        };
        engine.create_secret(unlabelled).await.unwrap();
        let plans = [plan];
        let stored = secrets::stored(engine, &swarm.app, &swarm.stack, &plans).await.unwrap();
        let names: Vec<_> = stored.iter().map(|secret| secret.full_name.as_str()).collect();
        let own = |version| format!("{}_a_{version}", swarm.stack);
        assert_eq!(names, [own("v0"), own("v1")]);
        for secret in stored {
            secrets::remove_stored(engine, &secret).await.unwrap();
        }
        swarm.remove(&swarm.plan("a_b", "v1")).await.unwrap();
    }
}

#[tokio::test]
async fn a_secret_in_use_stays() {
    for swarm in Swarm::each("use").await {
        let engine = swarm.engine.as_ref();
        let plan = swarm.plan("a", "v1");
        secrets::generate_one(engine, &swarm.app, &plan, &Keeper::none()).await.unwrap();
        let newer = swarm.plan("a", "v2");
        secrets::generate_one(engine, &swarm.app, &newer, &Keeper::none()).await.unwrap();
        let id = swarm.rows(std::slice::from_ref(&plan)).await.remove(0).id;
        let service = format!("{}_app", swarm.stack);
        let service_id = engine.create_service(user_of(&service, &plan, id), None).await.unwrap();
        let error = swarm.remove(&plan).await.unwrap_err();
        assert!(
            matches!(&error, Error::InUse { services, .. } if *services == [service.clone()]),
            "{error:?}"
        );
        // The settings ask for the newer one by now; the older is what is used.
        let rows = swarm.rows(std::slice::from_ref(&newer)).await;
        let row = |row: &SecretVersion| {
            (row.version.clone(), row.current, row.id.is_some(), row.used_by.clone())
        };
        assert_eq!(
            rows.iter().map(row).collect::<Vec<_>>(),
            [("v2".into(), true, true, vec![]), ("v1".into(), false, true, vec![service])]
        );
        engine.remove_service(&service_id).await.unwrap();
        swarm.remove(&plan).await.unwrap();
        swarm.clean().await;
    }
}

/// A service of no tasks that has the secret.
fn user_of(
    service: &str,
    plan: &SecretPlan,
    secret_id: Option<String>,
) -> potluck::engine::api::ServiceSpec {
    let spec = serde_json::json!({
        "Name": service,
        "Labels": BTreeMap::<String, String>::new(),
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "potluck-test/busybox:1",
                "Secrets": [{
                    "SecretID": secret_id,
                    "SecretName": plan.full_name,
                    "File": {"Name": "a", "UID": "0", "GID": "0", "Mode": 292},
                }],
            },
            "Placement": {},
            "Resources": {},
        },
        "Mode": {"Replicated": {"Replicas": 0}},
        "EndpointSpec": {},
    });
    serde_json::from_value(spec).unwrap()
}
