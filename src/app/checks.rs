//! What must be right about an app before its deploy begins; pure. `app check` finds
//! the same problems.

use std::collections::BTreeSet;

use crate::{
    compose::Stack,
    home::{AppName, EnvFile},
    lint::{Finding, Position, Severity, Strictness, blocking, rules},
    recipe::{self, Checkout, SAMPLE},
    rollout::{Place, external, live::Live, run::odd_timeout},
    secrets::{self, Survey},
};

use super::{App, unread};

/// What the app needs from its server and does not exist there; `kept` are the full names
/// of the secrets of which there is a copy.
pub(crate) fn missing(
    app: &AppName,
    checkout: &Checkout,
    stack: &Stack,
    survey: &Survey,
    kept: &BTreeSet<String>,
    (live, place): (&Live, &Place),
) -> Vec<Finding> {
    external::external(stack, live, place, |full_name| {
        if let Some(secret) = survey.unplanned.get(full_name) {
            return Some(unplanned(app, checkout, &secret.error));
        }
        let plan = survey.plans.iter().find(|plan| plan.full_name == full_name)?;
        let command = if kept.contains(full_name) {
            format!("potluck app secret restore {app}")
        } else if plan.generate {
            format!("potluck app secret generate {app}")
        } else {
            format!("potluck app secret insert {app} {}", plan.name)
        };
        let finding = Finding::new(&rules::SECRET_MISSING, "not on the server")
            .path(format!("secret {}", plan.name));
        Some(finding.fix(format!("run `{command}`")))
    })
}

/// Secrets that cannot be planned: errors, except for those that exist already,
/// because these need not be generated.
pub(crate) fn all_unplanned(
    app: &AppName,
    checkout: &Checkout,
    survey: &Survey,
    live: Option<&Live>,
) -> Vec<Finding> {
    let present = |name: &str| live.is_some_and(|live| live.has_secret(name));
    let found = survey.unplanned.iter().map(|(full_name, secret)| {
        let mut finding = unplanned(app, checkout, &secret.error);
        if present(full_name) {
            finding.severity = Severity::Warning;
        }
        finding
    });
    found.collect()
}

/// Drops findings about missing settings if the finding about their secret says the same.
pub(crate) fn without_repeats(findings: &mut Vec<Finding>) {
    let secrets = findings.iter().filter(|f| f.code == rules::SECRET_VERSION_MISSING.code);
    let said: Vec<String> = secrets.filter_map(|finding| finding.path.clone()).collect();
    findings.retain(|finding| {
        finding.code != rules::SETTING_MISSING.code
            || !finding.path.as_ref().is_some_and(|path| said.contains(path))
    });
}

/// Turns missing settings into errors if the compose files cannot be deployed,
/// because they may be the cause.
pub(crate) fn blame_settings(findings: &mut [Finding]) {
    if findings.iter().any(|finding| finding.code == rules::COMPOSE_INVALID.code) {
        let missing = findings.iter_mut().filter(|f| f.code == rules::SETTING_MISSING.code);
        missing.for_each(|finding| finding.severity = Severity::Error);
    }
}

/// The settings of the recipe's sample, or what is wrong with it.
pub(crate) fn sample(checkout: &Checkout) -> Result<EnvFile, Box<Finding>> {
    let invalid = |position: Position, message: String| {
        Box::new(Finding::new(&rules::SAMPLE_INVALID, message).at(position))
    };
    let text = checkout.sample().map_err(|e| invalid(Position::file(SAMPLE), e.to_string()))?;
    EnvFile::parse(SAMPLE, &text.unwrap_or_default())
        .map_err(|e| invalid(Position::line(SAMPLE, e.line), e.message))
}

/// Settings that a recipe's sample has and an app lacks, with the sample's values; none where
/// the sample cannot be read.
pub fn new_settings(env: &EnvFile, checkout: &Checkout) -> Vec<(String, String)> {
    sample(checkout).map(|sample| lacking(env, &sample)).unwrap_or_default()
}

fn lacking(env: &EnvFile, sample: &EnvFile) -> Vec<(String, String)> {
    sample
        .values()
        .into_iter()
        // Either key names the recipe.
        .filter(|(key, _)| !matches!(key.as_str(), "TYPE" | "RECIPE"))
        .filter(|(key, _)| env.get(key).is_none())
        .collect()
}

/// The same as findings.
pub(crate) fn missing_settings(env: &EnvFile, sample: &EnvFile) -> Vec<Finding> {
    lacking(env, sample)
        .into_iter()
        .map(|(key, value)| {
            let message = format!("not in the settings; the recipe's sample has `{key}={value}`");
            Finding::new(&rules::SETTING_MISSING, message).path(&key)
        })
        .collect()
}

/// Unusual settings, and settings that the recipe's sample has but the app lacks.
pub(crate) fn settings(env: &EnvFile, checkout: &Checkout) -> Vec<Finding> {
    let sample = match sample(checkout) {
        Ok(sample) => sample,
        Err(invalid) => return vec![*invalid],
    };
    let mut findings = missing_settings(env, &sample);
    let odd = env.oddities();
    findings.extend(odd.map(|(at, message)| Finding::new(&rules::SETTINGS_ODD, message).at(at)));
    findings
}

/// Parts of the app's own stack that a deploy reads differently than they look.
pub(crate) fn of_stack(stack: &Stack, env: &EnvFile) -> Vec<Finding> {
    let mut findings = unread::findings(stack, env);
    if let Some((service, written)) = odd_timeout(stack) {
        let message = format!(
            "`{written}` is not a number of seconds above 0, so a deploy waits for 5 minutes"
        );
        let label = format!("services.{service}.deploy.labels.coop-cloud.{}.timeout", stack.name);
        findings.push(Finding::new(&rules::TIMEOUT_INVALID, message).path(label));
    }
    findings
}

/// Why a secret cannot be planned for, as a finding about the settings.
pub(crate) fn unplanned(app: &AppName, checkout: &Checkout, error: &secrets::Error) -> Finding {
    let secrets::Error::NoVersion { name, key } = error else {
        let finding = Finding::new(&rules::SECRET_SETTING_INVALID, error.to_string());
        return match crate::hint::Hint::hint(error) {
            Some(hint) => finding.fix(hint),
            None => finding,
        };
    };
    let sample = checkout.sample().ok().flatten().unwrap_or_default();
    let line = sample_line(&sample, key).unwrap_or_else(|| format!("{key}=v1"));
    let message =
        format!("missing or empty in the settings: the name of the secret `{name}` ends in it");
    Finding::new(&rules::SECRET_VERSION_MISSING, message)
        .path(key)
        .fix(format!("add the line `{line}` to the settings (`potluck app config {app}`)"))
}

/// The line for a key in a sample, with its comment; also one that is commented
/// out.
fn sample_line(sample: &str, key: &str) -> Option<String> {
    sample.lines().find_map(|line| {
        let line = line.trim().trim_start_matches(['#', ' ']);
        let value = line.strip_prefix(key)?.strip_prefix('=')?;
        let begins = value.trim_start_matches(['"', '\'']).trim_start();
        (!begins.is_empty() && !begins.starts_with('#')).then(|| line.to_owned())
    })
}

/// The same for a recipe with its sample's settings.
pub fn reserved_findings(checkout: &Checkout) -> Vec<Finding> {
    let stacks = recipe::lint::sample_stacks(checkout);
    let mut found: Vec<Finding> =
        stacks.iter().flat_map(|(_, stack)| external::reserved(stack)).collect();
    found.sort();
    found.dedup();
    found
}

/// Findings about a recipe's sample settings and its conventions. They matter to someone
/// who creates a new app from it; this app has settings of its own, with which its compose
/// files were read, and potluck must deploy whatever docker or abra would.
const ABOUT_NEW_APPS: &[&str] = &[
    rules::SAMPLE_MISSING.code,
    rules::SAMPLE_INVALID.code,
    rules::SAMPLE_ODD.code,
    rules::SAMPLE_WITHOUT_TYPE.code,
    rules::COMPOSE_INVALID.code,
    rules::COMPOSE_UNREADABLE.code,
    rules::NO_APP_SERVICE.code,
    rules::SECRET_WITHOUT_KEY.code,
];

/// Problems in an app's recipe, and in its files with the app's settings.
#[derive(Debug, Default)]
pub(crate) struct Linted {
    /// What stops a deploy.
    pub stopping: Vec<Finding>,
    /// Findings that do not stop a deploy and are shown in its plan.
    pub warnings: Vec<String>,
}

/// Checks the recipe itself, and its files with this app's settings.
pub(crate) fn lint(app: &App, strictness: Strictness) -> Linted {
    let (about_new_apps, mut findings): (Vec<Finding>, Vec<Finding>) =
        recipe::lint::lint(&app.checkout)
            .into_iter()
            // This app's own files are looked at with its settings.
            .filter(|finding| !rules::is_of_compose(finding.code))
            .partition(|finding| ABOUT_NEW_APPS.contains(&finding.code));
    findings.extend(app.findings.iter().cloned());
    findings.sort();
    let said = blocking(&about_new_apps, Strictness::Errors).into_iter();
    let said = said.chain(findings.iter().filter(|finding| recipe::lint::is_said_always(finding)));
    Linted {
        warnings: said.map(ToString::to_string).collect(),
        stopping: blocking(&findings, strictness).into_iter().cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_setting_is_an_error_where_the_files_cannot_be_deployed() {
        let missing = || Finding::new(&rules::SETTING_MISSING, "x").path("PORT");
        let mut well = [missing(), Finding::new(&rules::UNPINNED_IMAGE, "x")];
        blame_settings(&mut well);
        assert_eq!(well[0].severity, Severity::Warning);
        let mut broken = [missing(), Finding::new(&rules::COMPOSE_INVALID, "x")];
        blame_settings(&mut broken);
        assert_eq!(broken[0].severity, Severity::Error);
        let mut twice =
            vec![missing(), Finding::new(&rules::SECRET_VERSION_MISSING, "x").path("PORT")];
        without_repeats(&mut twice);
        assert_eq!(twice.len(), 1);
        assert_eq!(twice[0].code, rules::SECRET_VERSION_MISSING.code);
    }

    #[test]
    fn the_line_to_add_is_the_sample_s() {
        let sample = "# SECRET_A_VERSION=v2 # length=32\nSECRET_B_VERSION=\nXSECRET_C_VERSION=v1\n";
        let line = sample_line(sample, "SECRET_A_VERSION");
        assert_eq!(line.as_deref(), Some("SECRET_A_VERSION=v2 # length=32"));
        for key in ["SECRET_B_VERSION", "SECRET_C_VERSION", "SECRET_D_VERSION"] {
            assert_eq!(sample_line(sample, key), None, "{key}");
        }
    }
}
