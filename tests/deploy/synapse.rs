//! A real application whose database changes between two of its versions: Synapse with
//! PostgreSQL, by the example recipe and its plugin, on the real swarm. An upgrade that
//! fails in the middle of its migration brings the old Synapse and its data back by itself;
//! one whose potluck is killed there is undone or finished by a colleague. Then it succeeds.
//!
//! The tests kill Synapse's program once; `make campaign upgrade` tries the other ways.

mod world;

use std::collections::BTreeSet;

use world::{Disk, PROGRAM, SECOND_HALF, World, kill};

use crate::support::{cli::Run, operator::good};

const MESSAGES: [&str; 3] = ["leek", "potato", "Grüße & <b>\"quotes\"</b> 🥔"];

/// How an upgrade is made to fail in the middle of its migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Synapse's program dies while it changes the tables.
    ProgramKilled,
    /// The database dies while the second half of the upgrade runs: the tables are
    /// changed for good by then.
    DatabaseKilled,
    /// The database has no space left for the changes.
    DiskFull,
}

impl Fault {
    fn disk(self) -> Disk {
        if self == Fault::DiskFull { Disk::Own } else { Disk::Shared }
    }

    /// Upgrades, and lets it happen.
    fn strike(self, world: &World) -> Run {
        world.upgrade(|_| {
            world.held();
            match self {
                Fault::ProgramKilled => {
                    // A table that one of the last changes comes to.
                    let lock = world.in_the_way("redactions");
                    world.stuck(PROGRAM);
                    world.kill_program();
                    drop(lock);
                }
                Fault::DatabaseKilled => {
                    let lock = world.in_the_way("e2e_cross_signing_signatures");
                    world.stuck(SECOND_HALF);
                    world.kill_database();
                    drop(lock);
                }
                Fault::DiskFull => world.fill_disk(),
            }
        })
    }

    /// What potluck says of it.
    fn said(self) -> &'static str {
        match self {
            Fault::ProgramKilled => "update_synapse_database was ended by signal 9",
            Fault::DatabaseKilled => "synapse: background-94: ",
            Fault::DiskFull => "No space left on device",
        }
    }
}

/// What a release is at, as it is said: schema of the database, the oldest that works on it,
/// and that of the Synapse which runs.
const OLD_SCHEMA: [&str; 3] = ["83", "83", "83"];
const NEW_SCHEMA: [&str; 4] = ["94", "84", "94", "0"];

/// What a Synapse writes by itself for as long as it runs: work that it does in the
/// background, sums of what is in other tables, what its workers are to forget, and who was
/// seen when.
const OF_ITSELF: [&str; 14] = [
    "background_updates",
    "cache_invalidation_stream",
    "devices ",
    "event_push_",
    // When media were read last; those who read them compare them.
    "local_media_repository ",
    "monthly_active_users",
    "room_forgetter_stream_pos",
    "room_stats_",
    "stats_incremental_position",
    "user_daily_visits",
    "user_directory",
    "user_ips",
    "user_stats_",
    "users_",
];

/// Fails unless the rows are those from before.
fn assert_rows(before: &BTreeSet<String>, now: &BTreeSet<String>, told: &str) {
    let is_data = |row: &&String| !OF_ITSELF.iter().any(|of| row.contains(&format!("public.{of}")));
    let lost: Vec<_> = before.difference(now).filter(is_data).collect();
    let new: Vec<_> = now.difference(before).filter(is_data).collect();
    assert!(lost.is_empty() && new.is_empty(), "{told}: lost {lost:#?}, new {new:#?}");
}

/// Fails an upgrade, which brings data and Synapse back, and upgrades for good.
async fn fails_and_comes_back(room: &str, fault: Fault) {
    let Some(world) = World::new(room, fault.disk()).await else { return };
    let seen = world.write(&MESSAGES);
    assert_eq!(seen["rooms"][0]["texts"].as_array().unwrap().len(), MESSAGES.len() + 2);
    assert_eq!(world.schema()[..3], OLD_SCHEMA);
    let before = world.rows();

    let failed = fault.strike(&world);
    println!("{fault:?}: {failed}");
    assert_eq!(failed.code, 4, "{fault:?}: {failed}");
    let last = world.last();
    let set = last["set"].as_str().unwrap();
    let undone = format!("the version before runs again, with its data from the backup {set}");
    for words in ["failed in its migration", fault.said(), undone.as_str()] {
        assert!(failed.stderr.contains(words), "{fault:?}: {words}: {failed}");
    }
    assert_eq!(last["outcome"], "failed-and-undone", "{last}");
    assert_rows(&before, &world.rows(), &format!("{fault:?}"));
    assert_eq!(world.schema()[..3], OLD_SCHEMA, "{fault:?}");
    assert_eq!(world.read(), seen, "{fault:?}");

    if fault == Fault::DiskFull {
        world.free_disk();
    }
    good(&world.upgrade(|_| {}));
    assert_eq!(world.schema(), NEW_SCHEMA, "{fault:?}");
    assert_eq!(world.read(), seen, "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_whose_program_was_killed_comes_back_with_its_data_and_then_succeeds() {
    fails_and_comes_back("synapse", Fault::ProgramKilled).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign upgrade"]
async fn an_upgrade_whose_database_was_killed_comes_back_with_its_data_and_then_succeeds() {
    fails_and_comes_back("synapse-database", Fault::DatabaseKilled).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign upgrade"]
async fn an_upgrade_whose_disk_was_full_comes_back_with_its_data_and_then_succeeds() {
    fails_and_comes_back("synapse-disk", Fault::DiskFull).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign upgrade"]
async fn what_a_killed_potluck_began_is_undone_with_its_data_or_finished_by_a_colleague() {
    let Some(world) = World::new("synapse-potluck", Disk::Shared).await else { return };
    let seen = world.write(&MESSAGES);
    let before = world.rows();
    let mut lock = None;
    let mut kill_it = || {
        let killed = world.upgrade(|pid| {
            world.held();
            lock = Some(world.in_the_way("redactions"));
            world.stuck(PROGRAM);
            kill(i32::try_from(pid).unwrap());
        });
        assert_eq!(killed.code, -1, "{killed}");
        // It outlives who began it.
        assert_eq!(world.processes(PROGRAM).len(), 1);
        let colleague = world.colleague();
        assert!(world.errors().contains("did not end"), "{}", world.errors());
        (colleague, lock.take().unwrap())
    };

    let (colleague, lock) = kill_it();
    let aborted = colleague.takes_over("abort", || {
        // Nothing comes back while the migration is at work.
        std::thread::sleep(std::time::Duration::from_secs(3));
        assert_eq!(world.processes(PROGRAM).len(), 1);
        drop(lock);
    });
    println!("{aborted}");
    good(&aborted);
    assert!(aborted.stderr.contains("wait for a program in"), "{aborted}");
    assert_rows(&before, &world.rows(), "aborted");
    assert_eq!(world.schema()[..3], OLD_SCHEMA);
    assert_eq!(world.read(), seen);

    let (colleague, lock) = kill_it();
    let resumed = colleague.takes_over("resume", || {
        std::thread::sleep(std::time::Duration::from_secs(3));
        assert_eq!(world.processes(PROGRAM).len(), 1);
        drop(lock);
    });
    println!("{resumed}");
    good(&resumed);
    assert_eq!(world.schema(), NEW_SCHEMA);
    assert_eq!(world.read(), seen);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign upgrade"]
async fn killed_on_the_way_back_it_is_brought_to_its_end_by_a_colleague() {
    let Some(world) = World::new("synapse-back", Disk::Shared).await else { return };
    let seen = world.write(&MESSAGES);
    let strike = |words: &[&str]| {
        let killed = world.upgrade_killed_at(words, || {
            world.held();
            let lock = world.in_the_way("redactions");
            world.stuck(PROGRAM);
            world.kill_program();
            drop(lock);
        });
        println!("killed at {words:?}: {killed}");
    };
    let is_back = |before: &BTreeSet<String>, told: &str| {
        assert_rows(before, &world.rows(), told);
        assert_eq!(world.schema()[..3], OLD_SCHEMA, "{told}");
        assert_eq!(world.read(), seen, "{told}");
    };
    for words in [WAY_BACK[1], WAY_BACK[2]] {
        let before = world.rows();
        // The backup before the upgrade speaks of the dump, too.
        strike(&[BACK, words]);
        good(&world.colleague().takes_over("abort", || {}));
        is_back(&before, words);
    }
    // Its undoing is killed, again and again.
    let before = world.rows();
    strike(&[BACK]);
    for words in WAY_BACK {
        let killed = world.colleague().killed_at("abort", words);
        println!("abort killed at {words}: {killed}");
    }
    good(&world.colleague().takes_over("abort", || {}));
    is_back(&before, "abort");
}

/// What is said when the way back with data begins.
const BACK: &str = "restore the data from";

/// What is said on it, in its order.
const WAY_BACK: [&str; 5] = [
    "stop services ...",
    "start data stores ...",
    "dump db.pgdump",
    "roll back ...",
    ": verify ...",
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign upgrade"]
async fn an_upgrade_that_succeeded_is_rolled_back_with_its_data_only() {
    let Some(world) = World::new("synapse-rollback", Disk::Shared).await else { return };
    let seen = world.write(&MESSAGES);
    let before = world.rows();
    good(&world.upgrade(|_| {}));
    let set = world.last()["set"].as_str().unwrap().to_owned();
    assert_eq!(world.schema(), NEW_SCHEMA);

    let refused = world.roll_back(&[]);
    println!("{refused}");
    assert_eq!(refused.code, 6, "{refused}");
    for words in ["was migrated since", "--data", "--keep-data"] {
        assert!(refused.stderr.contains(words), "{words}: {refused}");
    }

    // The old Synapse refuses the new database, so what ran comes back.
    let kept = world.roll_back(&["--keep-data"]);
    println!("{kept}");
    assert_eq!(kept.code, 4, "{kept}");
    assert!(kept.stderr.contains("the rollback of"), "{kept}");
    let why = "Cannot use this database as it is too new for the server to understand";
    let said = world.said_by_ended();
    assert!(said.contains(why), "{said}");
    assert_eq!(world.schema(), NEW_SCHEMA);
    assert_eq!(world.read(), seen);

    // The app is at the new version: older data is upgraded.
    let restored = world.restore(Some(&set));
    good(&restored);
    assert!(restored.stderr.contains("its schema 83 is upgraded to 94"), "{restored}");
    assert_eq!(world.schema(), NEW_SCHEMA);
    assert_eq!(world.read(), seen);

    let back = world.roll_back(&["--data"]);
    println!("{back}");
    good(&back);
    assert_rows(&before, &world.rows(), "rolled back");
    assert_eq!(world.schema()[..3], OLD_SCHEMA);
    assert_eq!(world.read(), seen);
    good(&world.upgrade(|_| {}));
    assert_eq!(world.schema(), NEW_SCHEMA);
    assert_eq!(world.read(), seen);
}
