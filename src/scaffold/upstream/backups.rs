//! Which standard plugin backs up what: `recipe.yml`.

use std::collections::BTreeMap;

use crate::recipe::family::Kind;

use super::{
    databases::Database,
    draft::{Draft, Service},
    project::Project,
};

/// SQLite databases of apps whose image has what a copy of them needs, with the family.
const SQLITE: &[(&str, &[&str], &[&str])] =
    &[("Uptime Kuma", &["/app/data/kuma.db"], &["/app/data"])];

/// The text of `recipe.yml`; `databases` has that of each database server.
pub fn manifest(
    draft: &mut Draft,
    project: &Project,
    databases: &BTreeMap<usize, Database>,
) -> String {
    let mut plugins = vec![];
    let mut dumped: Vec<String> = vec![];
    let mut excluded: Vec<(String, String)> = vec![];
    let stores = draft
        .services
        .iter()
        .filter(|it| matches!(it.kind(), Some(Kind::Postgres | Kind::Mariadb)))
        .count();
    for index in 0..draft.services.len() {
        let service = &draft.services[index];
        let (key, name) = (service.key.clone(), service.name.clone());
        let position = project.outline.line(service.at);
        let data: Vec<String> = service
            .volumes
            .iter()
            .filter(|(_, target)| {
                service.family.is_some_and(|family| {
                    family.data.iter().any(|data| {
                        target.trim_end_matches('/') == *data
                            || target.starts_with(&format!("{data}/"))
                    })
                })
            })
            .map(|(volume, _)| volume.clone())
            .collect();
        let secret = service
            .secrets
            .iter()
            .find(|it| {
                it.source.ends_with("_password")
                    && !it.source.contains("root")
                    && it.target.is_none()
            })
            .map(|it| it.source.clone());
        match service.kind() {
            Some(kind @ (Kind::Postgres | Kind::Mariadb)) => {
                let component = if kind == Kind::Postgres { "postgres" } else { "mariadb" };
                let plugin =
                    if stores == 1 { "database".to_owned() } else { name.replace('_', "-") };
                let mut options = vec![format!("service: {name}")];
                match databases.get(&index) {
                    Some(Database::Named(database)) => {
                        options.push(format!("database: {database}"));
                    }
                    // PostgreSQL always has one, `postgres`.
                    Some(Database::Unknown) if kind == Kind::Mariadb => draft.log.decision(
                        &key,
                        position.clone(),
                        "nothing says which database is to be backed up",
                        format!("write `database: NAME` into the options of `{plugin}` in recipe.yml"),
                    ),
                    _ => {}
                }
                let mut grants = format!("      - exec: {name}\n");
                if let Some(secret) = &secret {
                    options.push(format!("secret: {secret}"));
                    grants += &format!("      - secret: {secret}\n");
                }
                plugins.push(format!(
                    "  - name: {plugin}\n    component: std:{component}\n    options: {{{}}}\n    grants:\n{grants}",
                    options.join(", ")
                ));
                if draft.services[index].volumes.is_empty() {
                    draft.log.decision(
                        &key,
                        position.clone(),
                        "its data is in no volume: it is new, and empty, after every update",
                        format!("mount a volume at `{}`", data_of(&draft.services[index])),
                    );
                }
                draft.log.change(
                    &key,
                    position,
                    format!(
                        "`std:{component}` backs up the \
                                                          database"
                    ),
                    "a copy of the files of a running database is of no use",
                );
                dumped.extend(data);
            }
            Some(Kind::Redis) if !data.is_empty() => {
                let mut options = vec![format!("service: {name}")];
                options.extend(secret.map(|secret| format!("secret: {secret}")));
                plugins.push(format!(
                    "  - name: {}\n    component: std:redis\n    options: {{{}}}\n    grants:\n      - exec: {name}\n",
                    name.replace('_', "-"),
                    options.join(", ")
                ));
                draft.log.change(
                    &key,
                    position,
                    "`std:redis` backs it up",
                    "a copy of the files \
                                                                             of a running server \
                                                                             is of no use",
                );
                dumped.extend(data);
            }
            Some(Kind::OtherStore) => draft.log.decision(
                &key,
                position,
                format!(
                    "no standard plugin dumps {}: its files are copied as it runs, which may \
                         be of no use",
                    draft.services[index].family.map_or("it", |it| it.name)
                ),
                format!(
                    "write a dump into a volume with `backupbot.backup.pre-hook` at \
                         `{name}`, or a plugin of the recipe's own"
                ),
            ),
            None | Some(Kind::Web) if is_other_store(&draft.services[index]) => draft.log.decision(
                &key,
                position,
                "it looks like a database, of whose image nothing is known: its files are copied as it runs",
                format!(
                    "where its variables are those of the official image, add `std:postgres` or \
                     `std:mariadb` for `{name}` to recipe.yml; else write a dump with \
                     `backupbot.backup.pre-hook`"
                ),
            ),
            _ => {}
        }
        let family = draft.services[index].family.map(|family| family.name);
        if let Some((_, files, folders)) = SQLITE.iter().find(|(name, ..)| Some(*name) == family) {
            draft.log.change(
                &key,
                project.outline.line(draft.services[index].at),
                "`std:sqlite` backs up its database",
                "a copy of the file of a running database is of no use",
            );
            plugins.push(format!(
                "  - name: sqlite\n    component: std:sqlite\n    options: {{service: {name}, \
                 files: [{}]}}\n    grants:\n      - exec: {name}\n",
                files.join(", ")
            ));
            for (volume, target) in &draft.services[index].volumes {
                for file in files.iter().filter(|_| folders.contains(&target.as_str())) {
                    let below = file.trim_start_matches(target.as_str());
                    excluded.push((volume.clone(), format!("{below}*")));
                }
            }
        } else if matches!(draft.services[index].kind(), None | Some(Kind::Web))
            && stores == 0
            && !draft.services[index].volumes.is_empty()
            && (name == "app" || draft.web.as_ref().is_some_and(|web| web.service == index))
        {
            draft.log.decision(
                &key,
                project.outline.line(draft.services[index].at),
                "there is no database beside the app, so it may have an SQLite database in its \
                 volume",
                format!(
                    "if so, and if the image has `sqlite3` or `python3`, add `std:sqlite` \
                         with its file and `exec: {name}` to recipe.yml (docs/std-plugins.md)"
                ),
            );
        }
    }
    let mut used: Vec<(String, String)> = vec![];
    for volume in &draft.volumes {
        let is_cache = |text: &str| text.contains("cache") || text.contains("tmp");
        let mut places = draft.services.iter().flat_map(|service| &service.volumes);
        let is_used = places.clone().any(|(name, _)| *name == volume.name);
        let cache = is_cache(&volume.name);
        let is_inside_too = places.all(|(name, target)| *name != volume.name || is_cache(target));
        if dumped.contains(&volume.name) || used.iter().any(|(name, _)| *name == volume.name) {
            continue;
        }
        if !is_used {
            draft.log.decision(
                "",
                None,
                format!(
                    "the volume `{}` is mounted read-only: its files come from you, and no backup \
                     has them",
                    volume.name
                ),
                format!(
                    "say in README.md where they come from (`potluck app cp`); if nobody else \
                     keeps them, add `{}` to the volumes of `std:files` in recipe.yml",
                    volume.name
                ),
            );
            continue;
        }
        if cache && !is_inside_too {
            draft.log.decision(
                "",
                None,
                format!(
                    "the volume `{}` is backed up, though by its name it holds what can be made \
                     again",
                    volume.name
                ),
                "remove it from recipe.yml if that is so",
            );
        } else if cache {
            draft.log.change(
                "",
                None,
                format!("the volume `{}` is not backed up", volume.name),
                "by its name and its place it holds what can be made again",
            );
            continue;
        }
        let patterns: Vec<_> = excluded
            .iter()
            .filter(|(name, _)| *name == volume.name)
            .map(|(_, pattern)| format!("\"{pattern}\""))
            .collect();
        let value = if patterns.is_empty() {
            String::new()
        } else {
            format!(" {{exclude: [{}]}}", patterns.join(", "))
        };
        used.push((volume.name.clone(), value));
    }
    if !used.is_empty() {
        let names: Vec<_> = used.iter().map(|(name, _)| format!("`{name}`")).collect();
        draft.log.change(
            "",
            None,
            format!(
                "`std:files` backs up the volume{} {}",
                if names.len() == 1 { "" } else { "s" },
                names.join(", ")
            ),
            "what is in no dump must be copied",
        );
        let volumes: String =
            used.iter().map(|(name, value)| format!("        {name}:{value}\n")).collect();
        plugins.push(format!(
            "  - name: files\n    component: std:files\n    options:\n      volumes:\n{volumes}"
        ));
    }
    let head = "# What is backed up, and how, is said by the plugins that come with potluck.\n";
    match plugins.is_empty() {
        true => "# The app has nothing to back up.\nplugins: []\n".into(),
        false => format!("{head}plugins:\n{}", plugins.concat()),
    }
}

/// Where a store has its data.
fn data_of(service: &Service) -> &'static str {
    service.family.and_then(|family| family.data.first().copied()).unwrap_or("/data")
}

/// Whether an image is called like a database.
fn is_other_store(service: &Service) -> bool {
    const NAMES: &[&str] =
        &["couchdb", "influxdb", "mariadb", "mongo", "mysql", "neo4j", "postgres", "questdb"];
    let image = service.image.as_deref().unwrap_or_default();
    let last = image.rsplit('/').next().unwrap_or_default();
    let name = last.split([':', '@']).next().unwrap_or_default();
    NAMES.iter().any(|known| name.starts_with(known)) && !service.volumes.is_empty()
}
