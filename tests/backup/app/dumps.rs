//! Dump commands that fail in every way that there is, one night after a good one: each
//! either fails the backup, and leaves no set, or is told in a warning that the set carries.
//! None is a false success.

use super::*;

use potluck::{
    hint::Hint,
    plugin::{Ending, Names},
};

/// How large a dump is that fails late; the campaign takes 1 GiB.
const LATE: u64 = 48 * 1024 * 1024;

/// What last night's dump is: as pg_dump writes it, of 100 kB.
const GOOD: &str = "{ printf -- '--\\n-- PostgreSQL database dump\\n--\\n'; seq 1 17000; \
                    printf -- '--\\n-- PostgreSQL database dump complete\\n--\\n'; } >/data/db.txt";

#[derive(Debug, Clone, Copy)]
enum Outcome {
    /// No set, for this reason.
    Fails(&'static str),
    /// A set with this warning.
    Warns(&'static str),
    /// A set without a warning.
    Good,
}

/// What it is about, the command that takes the dump, how it can be believed, what becomes
/// of it.
type Row = (&'static str, String, Belief, Outcome);

fn known() -> Belief {
    Belief::default()
}

fn ending(ending: Ending) -> Belief {
    Belief { ending, ..Belief::default() }
}

fn line(text: &str) -> Belief {
    ending(Ending::Line(text.into()))
}

/// Databases that are listed by this script, and named in the dump by `# base NAME`.
fn names(listing: &str, all: bool) -> Belief {
    let between = Some(("# base ".into(), String::new()));
    let names = Some(Names { listing: shell(listing), between, all });
    Belief { names, ..line("# end") }
}

fn rows() -> Vec<Row> {
    use Outcome::{Fails, Good, Warns};
    let late = std::env::var("POTLUCK_DUMP_BYTES").ok().and_then(|it| it.parse().ok());
    let late = format!("head -c {} /dev/zero; exit 3", late.unwrap_or(LATE));
    let bases = "printf '# base wiki\\n'; seq 1 20000; printf '# end\\n'";
    let both = "printf 'wiki\\nshop\\n'";
    let row = |about, take: &str, belief, outcome| (about, take.to_owned(), belief, outcome);
    vec![
        row("as last night", "cat /data/db.txt", known(), Good),
        row("no such program", "no-such-dump", known(), Fails("exit code 127")),
        row("fails at once", "exit 1", known(), Fails("exit code 1")),
        row("fails after 1 byte", "printf x; exit 1", known(), Fails("exit code 1")),
        row("fails after much", &late, known(), Fails("exit code 3")),
        row("killed", "head -c 9999 /data/db.txt; kill -9 $$", known(), Fails("exit code 137")),
        row("empty", ":", known(), Fails("wrote nothing")),
        row(
            "cut off, on standard error only",
            "head -c 60000 /data/db.txt; echo 'lost connection' >&2",
            known(),
            Fails("lost connection"),
        ),
        row(
            "cut off in a pipe",
            "head -c 60000 /data/db.txt | gzip",
            known(),
            Fails("not a complete dump of pg_dump"),
        ),
        row(
            "nothing in a pipe",
            "sh -c 'no-such-dump | gzip'",
            known(),
            Fails("its gzip stream is empty"),
        ),
        row(
            "a pipe that breaks",
            "gzip </data/db.txt | head -c 3000",
            known(),
            Fails("its gzip stream is cut off"),
        ),
        row(
            "its own end is missing",
            "head -c 90000 /dev/zero; printf '\\n# en'",
            line("# end"),
            Fails("no line near its end begins with `# end`"),
        ),
        row(
            "its last bytes are others",
            "head -c 90000 /dev/zero",
            ending(Ending::Bytes(vec![0, 255])),
            Fails("its last bytes are not those"),
        ),
        row(
            "of an unknown form",
            "seq 1 20000",
            known(),
            Warns("nobody can tell whether the dump `db.txt` of the service `db` is complete"),
        ),
        row(
            "not the form that it has to be",
            "seq 1 20000",
            ending(Ending::Known),
            Fails("it does not begin like a dump of a kind that potluck knows"),
        ),
        row("of a form without an end", "seq 1 20000", ending(Ending::Unmarked), Good),
        row("with its own end", "seq 1 20000; echo '# end'", line("# end"), Good),
        row("a database is missing", bases, names(both, true), Fails("it lacks `shop`")),
        row(
            "a database is in no dump",
            bases,
            names(both, false),
            Warns("the service `db` has `shop`, which no dump of this backup holds"),
        ),
        row("all databases", bases, names("echo wiki", true), Good),
        row(
            "a database that is dropped meanwhile",
            bases,
            names("echo wiki; [ -e /data/once ] || echo shop; : >/data/once", true),
            Good,
        ),
        row(
            "databases are not listed",
            bases,
            names("echo no access >&2; exit 4", true),
            Warns("because it does not list it: exit code 4: no access"),
        ),
        row(
            "databases are not named",
            "seq 1 20000; echo '# end'",
            names(both, true),
            Warns("because it names nothing that it holds"),
        ),
        row(
            "one tenth of last night's",
            "seq 1 2000; echo '# end'",
            line("# end"),
            Fails("in the last backup ("),
        ),
        row(
            "a cache that is emptied",
            "seq 1 2000; echo '# end'",
            Belief { may_shrink: true, ..line("# end") },
            Warns("in the last backup ("),
        ),
    ]
}

impl Fixture {
    fn dumping(&self, take: Command, belief: Belief) {
        let put_back = shell("cat >/data/db.txt");
        let (name, service) = ("db.txt".into(), "db".into());
        self.plan(&[BackupItem::Dump { name, service, take, put_back, belief }]);
    }

    /// Neither a lock nor a process of a dump is left, and the app still runs.
    async fn assert_quiet(&self, about: &str) {
        let repository = self.context.home.backup(&self.entry.server).unwrap().repository;
        let locks = fs::read_dir(std::path::Path::new(&repository).join("locks")).unwrap();
        assert_eq!(locks.count(), 0, "{about}: a lock is left");
        assert_eq!(self.run("db", "wc -l </data/db.txt").await.trim(), "17006", "{about}");
        assert_eq!(self.replicas().await, [1, 1], "{about}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_dump_command_is_believed_falsely() {
    let Some(fixture) = Fixture::new(COMPOSE, Some(&plan("cat /data/db.txt"))).await else {
        return;
    };
    fixture.deploy().await;
    fixture.run("db", GOOD).await;
    let mut table = String::new();
    let mut is_good = false;
    for (about, take, belief, outcome) in rows() {
        if !is_good {
            fixture.dumping(shell("cat /data/db.txt"), known());
            let last = fixture.create().await.unwrap_or_else(|e| panic!("before `{about}`: {e}"));
            let shrank = last.warnings.iter().all(|told| told.contains("in the last backup ("));
            assert!(shrank, "before `{about}`: {last:?}");
        }
        fixture.dumping(shell(&take), belief);
        let before = fixture.sets(Listed::All).await;
        let made = fixture.create().await;
        let sets = fixture.sets(Listed::All).await;
        // The newest set is still that of last night.
        is_good = made.is_err();
        let told = match (outcome, &made) {
            (Outcome::Fails(part), Err(error)) => {
                let text = error.to_string();
                assert!(text.contains(part), "{about}: {text}");
                let ids = |sets: &[SetSummary]| -> Vec<_> {
                    sets.iter().map(|set| set.id.clone()).collect()
                };
                assert_eq!(ids(&sets), ids(&before), "{about}: it left snapshots");
                text
            }
            (Outcome::Warns(part), Ok(report)) => {
                let [warning] = &report.warnings[..] else { panic!("{about}: {report:?}") };
                assert!(warning.contains(part), "{about}: {warning}");
                // The set carries it.
                assert_eq!((&sets[0].id, sets[0].warnings), (&report.set, 1), "{about}");
                warning.clone()
            }
            (Outcome::Good, Ok(report)) => {
                assert_eq!(report.warnings, [""; 0], "{about}");
                "no warning".into()
            }
            (wanted, made) => panic!("{about}: wanted {wanted:?}, was {made:?}"),
        };
        fixture.assert_quiet(about).await;
        let what = if made.is_ok() { "backed up" } else { "no set" };
        let told = told.lines().next().unwrap_or_default();
        table += &format!("| {about} | {what} | {told} |\n");
    }
    println!("| dump command | outcome | told |\n|---|---|---|\n{table}");

    // The newest set of all these is whole.
    fixture.dumping(shell("cat /data/db.txt"), known());
    fixture.create().await.unwrap();
    fixture.run("db", "echo spoiled >/data/db.txt").await;
    fixture.restore().await.unwrap();
    assert_eq!(fixture.run("db", "wc -l </data/db.txt").await.trim(), "17006");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_hangs_is_ended_and_leaves_no_set() {
    let Some(fixture) = Fixture::new(COMPOSE, Some(&plan("cat /data/db.txt"))).await else {
        return;
    };
    fixture.deploy().await;
    for take in ["sleep 600", "cat /dev/zero", "while :; do echo x; sleep 1; done"] {
        let limit = Some(Duration::from_secs(3));
        fixture.dumping(Command { timeout: limit, ..shell(take) }, known());
        let error = fixture.create().await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { seconds: 3, .. }), "{take}: {error}");
        assert!(fixture.sets(Listed::All).await.is_empty(), "{take}: snapshots are left");
    }
    assert_eq!(fixture.replicas().await, [1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_accepts_a_dump_that_shrank_on_purpose() {
    let Some(fixture) = Fixture::new(COMPOSE, Some(&plan("cat /data/db.txt"))).await else {
        return;
    };
    fixture.deploy().await;
    fixture.dumping(shell("cat /data/db.txt"), line("# end"));
    fixture.run("db", "{ seq 1 20000; echo '# end'; } >/data/db.txt").await;
    fixture.create().await.unwrap();
    fixture.run("db", "{ seq 1 2000; echo '# end'; } >/data/db.txt").await;
    let refused = fixture.create().await.unwrap_err();
    assert!(matches!(refused, Error::Shrunk { .. }), "{refused}");
    let hint = refused.hint().unwrap();
    let command = format!("`potluck backup create {} --allow-shrink`", fixture.entry.name);
    assert!(hint.contains(&command), "{hint}");

    let options = Options { allow_shrink: true, ..fixture.options() };
    let accepted =
        operation::back_up(&fixture.context, &fixture.guard(), &fixture.load().await, &options)
            .await
            .unwrap();
    assert_eq!(accepted.warnings.len(), 1, "{accepted:?}");
    assert!(accepted.warnings[0].contains("in the last backup"), "{accepted:?}");
    // From now on that is its size.
    assert_eq!(fixture.create().await.unwrap().warnings, [""; 0]);

    // Half of it is a warning; where the operator wants that, a failure.
    fixture.run("db", "{ seq 1 900; echo '# end'; } >/data/db.txt").await;
    let settings = BackupSettings { smallest_dump: Some(90), ..BackupSettings::default() };
    let mut server = fixture.context.home.server(&fixture.entry.server).unwrap();
    server.backup = Some(settings);
    fixture.context.home.write_server(&fixture.entry.server, &server).unwrap();
    let refused = fixture.create().await.unwrap_err();
    assert!(matches!(refused, Error::Shrunk { .. }), "{refused}");
}
