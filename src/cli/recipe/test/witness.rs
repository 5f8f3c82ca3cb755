//! Data of which a test knows what it was: a file in each volume of which a backup holds all.

use std::fs;

use serde_json::{Value, json};

use super::bench::{App, Bench, Stop};

/// The name of the file.
const FILE: &str = "potluck-test.txt";
/// The name of one that no backup has.
const LATER: &str = "potluck-test-later.txt";

/// A volume of an app, where a service writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    volume: String,
    service: String,
    path: String,
}

/// What the data of an app is.
#[derive(Debug, Clone)]
pub struct Witness {
    seats: Vec<Seat>,
    /// How many other things its backups have, which are not looked into: dumps, and volumes of
    /// which they have a part.
    others: usize,
    word: String,
}

impl Witness {
    /// Puts a file with this word in each volume that a backup of the app would hold.
    pub async fn plant(bench: &mut Bench, app: &App, word: &str) -> Result<Self, Stop> {
        let plan = bench
            .json(&["backup", "create", &app.domain, "--server", app.server, "--dry-run"])
            .await?;
        let items = plan["items"].as_array().cloned().unwrap_or_default();
        let is_whole = |item: &&Value| item["kind"] == "volume" && item["paths"] == json!([]);
        let held: Vec<&str> =
            items.iter().filter(is_whole).filter_map(|item| item["name"].as_str()).collect();
        let volumes =
            bench.json(&["app", "volume", "ls", &app.domain, "--server", app.server]).await?;
        let mut seats = vec![];
        for volume in volumes.as_array().into_iter().flatten() {
            let Some(name) = volume["volume"].as_str().filter(|name| held.contains(name)) else {
                continue;
            };
            let mounts = volume["mounts"].as_array().cloned().unwrap_or_default();
            let writes = mounts.iter().find(|mount| mount["read_only"] == false);
            let Some((service, path)) =
                writes.and_then(|it| Some((it["service"].as_str()?, it["path"].as_str()?)))
            else {
                continue;
            };
            seats.push(Seat {
                volume: name.to_owned(),
                service: service.to_owned(),
                path: path.trim_end_matches('/').to_owned(),
            });
        }
        let witness = Witness { seats, others: items.len() - held.len(), word: word.to_owned() };
        witness.write(bench, app, FILE, word).await?;
        Ok(witness)
    }

    /// Changes the files, and adds others.
    pub async fn spoil(&self, bench: &mut Bench, app: &App) -> Result<(), Stop> {
        self.write(bench, app, FILE, "spoiled").await?;
        self.write(bench, app, LATER, "later").await
    }

    async fn write(
        &self,
        bench: &mut Bench,
        app: &App,
        name: &str,
        word: &str,
    ) -> Result<(), Stop> {
        fs::write(bench.path().join(name), word)
            .map_err(|error| Stop::Failed(format!("writing {name}: {error}")))?;
        for seat in &self.seats {
            let to = format!("{}:{}/{name}", seat.service, seat.path);
            bench.good(&["app", "cp", &app.domain, "--server", app.server, name, &to]).await?;
        }
        Ok(())
    }

    /// Whether the app has exactly this data.
    pub async fn holds(&self, bench: &mut Bench, app: &App) -> Result<(), Stop> {
        for seat in &self.seats {
            let from = format!("{}:{}/{FILE}", seat.service, seat.path);
            let ran = bench
                .run(&["app", "cp", &app.domain, "--server", app.server, &from, "back.txt"])
                .await?;
            let back = bench.path().join("back.txt");
            let found = fs::read_to_string(&back).unwrap_or_default();
            // The next one is not to be taken for this one.
            let _ = fs::remove_file(&back);
            if ran.code != 0 || found != self.word {
                let volume = &seat.volume;
                return Err(Stop::Failed(format!(
                    "the volume `{volume}` has lost the file that was put there, {FILE}"
                )));
            }
            let later = format!("{}:{}/{LATER}", seat.service, seat.path);
            let ran = bench
                .run(&["app", "cp", &app.domain, "--server", app.server, &later, "back.txt"])
                .await?;
            if ran.code == 0 {
                let _ = fs::remove_file(&back);
                return Err(Stop::Failed(format!(
                    "the volume `{}` has a file that was written after the backup",
                    seat.volume
                )));
            }
        }
        Ok(())
    }

    /// Whether there is anything that could be lost.
    pub fn is_nothing(&self) -> bool {
        self.seats.is_empty() && self.others == 0
    }
}
