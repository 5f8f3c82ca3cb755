//! The labels of an app's services, here and on its server: what a proxy, a backup bot and
//! abra read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use crate::{
    app::{App, Error, OnServer},
    engine::{Engine, Scope},
};

/// One label of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LabelRow {
    /// The service's key in the compose file.
    pub service: String,
    pub label: String,
    /// What a deploy would bring; none where it brings no such label, or the recipe could not
    /// be read.
    pub here: Option<String>,
    /// What the server has.
    pub deployed: Option<String>,
}

/// By service, then by label; `app` is what a deploy would bring, if that is known.
///
/// # Errors
/// [`Error::NotDeployed`] where nothing is known of either side, and what the engine says.
pub async fn labels(on_server: &OnServer, app: Option<&App>) -> Result<Vec<LabelRow>, Error> {
    let prefix = format!("{}_", on_server.stack);
    let live = on_server.engine.services(Scope::Stack(&on_server.stack)).await?;
    let deployed: BTreeMap<String, HashMap<String, String>> = live
        .into_iter()
        .filter_map(|service| {
            let spec = service.spec?;
            let key = spec.name?.strip_prefix(&prefix)?.to_owned();
            Some((key, spec.labels.unwrap_or_default()))
        })
        .collect();
    let services = app.map(|app| app.stack.services.as_slice()).unwrap_or_default();
    let here: BTreeMap<String, HashMap<String, String>> = services
        .iter()
        .map(|service| (service.key.clone(), service.spec.labels.clone().unwrap_or_default()))
        .collect();
    if deployed.is_empty() && here.is_empty() {
        return Err(Error::NotDeployed { app: on_server.entry.name.to_string() });
    }
    Ok(rows(&here, &deployed))
}

type Labels = BTreeMap<String, HashMap<String, String>>;

fn rows(here: &Labels, deployed: &Labels) -> Vec<LabelRow> {
    let names = |side: &Labels| -> BTreeSet<(String, String)> {
        let of = |(service, labels): (&String, &HashMap<String, String>)| {
            let labels = labels.keys().map(|label| (service.clone(), label.clone()));
            labels.collect::<Vec<_>>()
        };
        side.iter().flat_map(of).collect()
    };
    let value = |side: &Labels, service: &str, label: &str| {
        side.get(service).and_then(|labels| labels.get(label)).cloned()
    };
    let mut all = names(here);
    all.extend(names(deployed));
    all.into_iter()
        .map(|(service, label)| LabelRow {
            here: value(here, &service, &label),
            deployed: value(deployed, &service, &label),
            service,
            label,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(labels: &[(&str, &str, &str)]) -> Labels {
        let mut side = Labels::new();
        for (service, label, value) in labels {
            let of = side.entry((*service).to_owned()).or_default();
            of.insert((*label).to_owned(), (*value).to_owned());
        }
        side
    }

    #[test]
    fn each_label_of_either_side_has_one_row() {
        let here = side(&[("web", "a", "1"), ("web", "b", "2"), ("db", "a", "1")]);
        let deployed = side(&[("web", "a", "1"), ("web", "b", "3"), ("web", "c", "4")]);
        let found: Vec<_> = rows(&here, &deployed)
            .into_iter()
            .map(|row| (row.service + "." + &row.label, row.here, row.deployed))
            .collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            found,
            [
                ("db.a".into(), text("1"), None),
                ("web.a".into(), text("1"), text("1")),
                ("web.b".into(), text("2"), text("3")),
                ("web.c".into(), None, text("4")),
            ]
        );
    }
}
