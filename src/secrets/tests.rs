use std::collections::BTreeMap;

use super::*;
use crate::{
    compose::{Source, Stack, StackService},
    engine::api,
    home::{EnvFile, StackName},
};

const STACK: &str = "wiki_example_org";

/// A stack that uses these external secrets, and declares one that it doesn't.
fn stack(secrets: &[&str]) -> Stack {
    let references = secrets.iter().map(|name| api::TaskSpecContainerSpecSecrets {
        secret_name: Some((*name).to_owned()),
        ..Default::default()
    });
    let container =
        api::TaskSpecContainerSpec { secrets: Some(references.collect()), ..Default::default() };
    let template = api::TaskSpec { container_spec: Some(container), ..Default::default() };
    let mut external: Vec<String> = secrets.iter().map(|name| (*name).to_owned()).collect();
    external.push(format!("{STACK}_unused_v1"));
    Stack {
        name: StackName::new(STACK).unwrap(),
        networks: BTreeMap::new(),
        external_networks: Vec::new(),
        secrets: BTreeMap::new(),
        external_secrets: external,
        configs: BTreeMap::new(),
        external_configs: Vec::new(),
        volumes: Vec::new(),
        services: vec![StackService {
            key: "app".into(),
            spec: api::ServiceSpec { task_template: Some(template), ..Default::default() },
            depends_on: Vec::new(),
        }],
    }
}

fn plans(secrets: &[&str], env: &str, compose: &str) -> Result<Vec<SecretPlan>, Error> {
    let env = EnvFile::parse("wiki.env", env).unwrap();
    let sources = [Source { name: "compose.yml".into(), text: compose.into() }];
    wanted(&stack(secrets), &env, &sources)
}

/// `name version key shape generate`
fn shown(plan: &SecretPlan) -> String {
    let shape = match &plan.shape {
        Shape::Password { length, charset } => format!("{length}/{}", charset.as_str().len()),
        Shape::Passphrase => "words".into(),
    };
    let key = plan.key.as_deref().unwrap_or("-");
    format!("{} {} {key} {shape} {}", plan.name, plan.version, plan.generate)
}

#[test]
fn secrets_follow_their_keys() {
    for (secret, env, compose, expected) in [
        (
            "wiki_example_org_db_password_v1",
            "SECRET_DB_PASSWORD_VERSION=v1 # length=32 charset=hex",
            "",
            "db_password v1 SECRET_DB_PASSWORD_VERSION 32/16 true",
        ),
        (
            "wiki_example_org_db_password_v2",
            "SECRET_DB_VERSION=password_v2\nSECRET_DB_PASSWORD_VERSION=v2",
            "",
            "db_password v2 SECRET_DB_PASSWORD_VERSION words true",
        ),
        (
            "wiki_example_org_key_v1",
            "SECRET_KEY_VERSION=v1 # generate=false length=8",
            "",
            "key v1 SECRET_KEY_VERSION 8/62 false",
        ),
        (
            "wiki_example_org_key_v1",
            "SECRET_KEY_VERSION=v1 # charset=alnum,safespecial",
            "",
            "key v1 SECRET_KEY_VERSION 32/73 true",
        ),
        // A key without `_VERSION`, as in old traefik recipes.
        ("wiki_example_org_ovh_v1", "SECRET_OVH=v1 # length=9", "", "ovh v1 SECRET_OVH 9/62 true"),
        // The compose file decides, not the key's name.
        (
            "wiki_example_org_pg-pass_v3",
            "SECRET_DB_VERSION=v3 # length=9",
            "name: \"${STACK_NAME}_pg-pass_${SECRET_DB_VERSION:-v1}\"",
            "pg-pass v3 SECRET_DB_VERSION 9/62 true",
        ),
        // Nobody versions it: somebody has to insert it.
        ("wiki_example_org_handmade_v1", "A=1", "", "handmade v1 - words false"),
        ("wiki_example_org_plain", "A=1", "", "plain  - words false"),
    ] {
        let plans = plans(&[secret], env, compose).unwrap();
        assert_eq!(plans.iter().map(shown).collect::<Vec<_>>(), [expected]);
        assert_eq!(plans[0].full_name, secret);
    }
}

#[test]
fn only_used_secrets_of_ones_own_count() {
    let own = "wiki_example_org_a_v1";
    let plans =
        plans(&[own, "shared_tls", own], "SECRET_A_VERSION=v1\nSECRET_UNUSED_VERSION=v1", "")
            .unwrap();
    assert_eq!(plans.len(), 1);
    assert_eq!(find(&plans, "a").unwrap().full_name, own);
    assert!(matches!(find(&plans, "unused"), Err(Error::Unknown { .. })));
}

#[test]
fn what_is_wrong_names_its_key() {
    for (secret, env, compose, expected) in [
        (
            "wiki_example_org_key_",
            "A=1",
            "name: ${STACK_NAME}_key_${SECRET_THE_KEY_VERSION}",
            "the secret `key` has no version: `SECRET_THE_KEY_VERSION` is empty or missing",
        ),
        ("wiki_example_org_key_", "A=1", "", "`SECRET_KEY_VERSION` is empty or missing"),
        (
            "wiki_example_org_key_v1",
            "SECRET_KEY_VERSION=v1 # length=0",
            "",
            "`SECRET_KEY_VERSION`: `length=0` is not a number",
        ),
        (
            "wiki_example_org_key_v1",
            "SECRET_KEY_VERSION=v1 # length=many",
            "",
            "`length=many` is not a number",
        ),
        (
            "wiki_example_org_key_v1",
            "SECRET_KEY_VERSION=v1 # charset=abc",
            "",
            "`abc` is not a charset",
        ),
        (
            "wiki_example_org_key_v1",
            "SECRET_KEY_VERSION=v1 # generate=no",
            "",
            "`generate=no` is neither",
        ),
        (
            "wiki_example_org_a_name_that_is_much_longer_than_docker_can_store_v1",
            "A=1",
            "",
            "Docker allows 64",
        ),
    ] {
        let error = plans(&[secret], env, compose).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn names_are_read_from_compose_files() {
    let text = "
      name: ${STACK_NAME}_db_password_${SECRET_DB_PASSWORD_VERSION}
      name: \"${STACK_NAME:-x}_b_$SECRET_B_VERSION\"
      name: ${STACK_NAME}_config_${CONFIG_VERSION}
      name: _${SECRET_C_VERSION}
      äöü}_d_${SECRET_D";
    let names: Vec<_> = written_names(text).into_iter().map(|(n, k)| format!("{n}={k}")).collect();
    assert_eq!(
        names,
        ["db_password=SECRET_DB_PASSWORD_VERSION", "b=SECRET_B_VERSION", "d=SECRET_D"]
    );
}

#[test]
fn a_value_is_not_shown_by_accident() {
    let generated = Generated {
        name: "a".into(),
        version: "v1".into(),
        value: zeroize::Zeroizing::new("planted-value".into()),
    };
    assert!(!format!("{generated:?}").contains("planted"));
    let made = Made { made: vec![generated], ..Made::default() };
    assert!(!format!("{made:?}").contains("planted"));
}
