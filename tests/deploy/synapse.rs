//! A real application whose database changes between two of its versions: Synapse with
//! PostgreSQL, by the example recipe and its plugin, on the real swarm. An upgrade that
//! fails in the middle of its migration can be resumed, or the backup's data and the old
//! Synapse come back; then it succeeds.
//!
//! The tests kill Synapse's program once; `make campaign upgrade` tries the other ways.

mod world;

use world::{DRIVER, Disk, PROGRAM, SECOND_HALF, World, kill, wait_for};

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

fn assert_failed(run: &Run, fault: Fault) {
    assert_eq!(run.code, 1, "{fault:?}: {run}");
    for words in ["failed in its migration", fault.said(), "the new version runs"] {
        assert!(run.stderr.contains(words), "{fault:?}: {words}: {run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_failed_in_its_migration_is_resumed_and_nothing_is_lost() {
    let fault = Fault::ProgramKilled;
    let Some(world) = World::new("synapse", fault.disk()).await else { return };
    let seen = world.write(&MESSAGES);
    assert_eq!(seen["rooms"][0]["texts"].as_array().unwrap().len(), MESSAGES.len() + 2);
    let schema = world.schema();
    assert_eq!(schema[..3], ["83", "83", "83"]);

    assert_failed(&fault.strike(&world), fault);
    // Half of the tables are those of the new version, which the old one refuses.
    assert_eq!(world.schema()[..3], ["94", "84", "94"]);
    let half = world.changes_of_tables();
    assert!(world.errors().contains("did not finish"), "{}", world.errors());

    good(&world.upgrade(|_| {}));
    assert_eq!(world.schema(), ["94", "84", "94", "0"]);
    assert!(half < world.changes_of_tables(), "{half}");
    assert_eq!(world.read(), seen);
}

/// Fails an upgrade, brings data and Synapse back, and upgrades for good.
async fn fails_and_comes_back(room: &str, fault: Fault) {
    let Some(world) = World::new(room, fault.disk()).await else { return };
    let seen = world.write(&MESSAGES);
    // A running server writes: what was there before and after the backup is in it.
    let before = world.rows();
    world.back_up();
    let after = world.rows();

    let failed = fault.strike(&world);
    assert_failed(&failed, fault);
    println!("{fault:?}: {failed}");
    if fault == Fault::DiskFull {
        world.free_disk();
    }
    let restored = world.restore();
    println!("restored: {restored}");
    // The Synapse that runs is the new one still, and waits.
    assert_eq!(restored.code, 3, "{restored}");
    assert!(restored.stderr.contains("untouched"), "{restored}");
    let rows = world.rows();
    let lost: Vec<_> = before.intersection(&after).filter(|row| !rows.contains(*row)).collect();
    assert!(lost.is_empty(), "{fault:?}: {lost:#?}");
    let both: Vec<_> =
        rows.iter().filter(|row| !before.contains(*row) && !after.contains(*row)).collect();
    assert!(both.is_empty(), "{fault:?}: {both:#?}");

    good(&world.back());
    assert_eq!(world.schema()[..3], ["83", "83", "83"], "{fault:?}");
    assert_eq!(world.read(), seen, "{fault:?}");

    good(&world.upgrade(|_| {}));
    assert_eq!(world.schema(), ["94", "84", "94", "0"], "{fault:?}");
    assert_eq!(world.read(), seen, "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign upgrade"]
async fn the_data_is_back_after_the_program_was_killed() {
    fails_and_comes_back("synapse-program", Fault::ProgramKilled).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign upgrade"]
async fn the_data_is_back_after_the_database_was_killed() {
    fails_and_comes_back("synapse-database", Fault::DatabaseKilled).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign upgrade"]
async fn the_data_is_back_after_the_disk_was_full() {
    fails_and_comes_back("synapse-disk", Fault::DiskFull).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign upgrade"]
async fn what_a_killed_potluck_began_is_resumed_and_does_not_run_twice_at_once() {
    let Some(world) = World::new("synapse-potluck", Disk::Shared).await else { return };
    let seen = world.write(&MESSAGES);
    let mut lock = None;
    let killed = world.upgrade(|pid| {
        world.held();
        lock = Some(world.in_the_way("redactions"));
        world.stuck(PROGRAM);
        kill(i32::try_from(pid).unwrap());
    });
    assert_eq!(killed.code, -1, "{killed}");
    // It outlives who began it.
    assert_eq!(world.processes(PROGRAM).len(), 1);

    world.unlock();
    let aborted = world.take_over("abort", |_| {});
    println!("{aborted}");
    assert_eq!(aborted.code, 1, "{aborted}");
    assert!(aborted.stderr.contains("cannot be undone any more"), "{aborted}");

    let resumed = world.take_over("resume", |_| {
        let both = || (world.processes(DRIVER).len() == 2).then_some(());
        wait_for("the plugin's second program", both);
        assert_eq!(world.processes(PROGRAM).len(), 1);
        drop(lock);
    });
    good(&resumed);
    assert_eq!(world.schema(), ["94", "84", "94", "0"]);
    assert_eq!(world.read(), seen);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make campaign upgrade"]
async fn the_old_synapse_refuses_the_new_database_and_the_new_one_upgrades_an_old_backup() {
    let Some(world) = World::new("synapse-refuses", Disk::Shared).await else { return };
    let seen = world.write(&MESSAGES);
    world.back_up();
    good(&world.upgrade(|_| {}));

    let refused = world.back();
    println!("{refused}");
    // It is undone.
    assert_eq!(refused.code, 4, "{refused}");
    for words in ["refuses the database of 0.2.0+v1.163.2", "the previous version is running again"]
    {
        assert!(refused.stderr.contains(words), "{words}: {refused}");
    }
    let why = "Cannot use this database as it is too new for the server to understand";
    let said = world.said_by_ended();
    assert!(said.contains(why), "{said}");
    assert_eq!(world.read(), seen);

    // The app is at the new version: older data is upgraded.
    let restored = world.restore();
    good(&restored);
    assert!(restored.stderr.contains("its schema 83 is upgraded to 94"), "{restored}");
    assert_eq!(world.schema(), ["94", "84", "94", "0"]);
    assert_eq!(world.read(), seen);
}
