//! The role `backup`: plans are checked, bytes are streamed.

use crate::support::hostile;

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use hostile::*;
use potluck::plugin::{BackupItem, Belief, Command, Ending, Error, Hooks, Names};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A guest that writes 256 chunks of 64 KiB in `produce`, reads to the end in
/// `consume`, and whose `plan` is `plan`.
async fn guest(plan: &[BackupItem], grants: &[&str]) -> (Hooks, Arc<World>) {
    let world = Arc::new(World::default());
    let produce = "
        (loop $on
            (call $write (local.get $handle) (i32.const 65536) (i32.const 65536) (i32.const 1024))
            (if (i32.load8_u (i32.const 1024)) (then (return
                (call $fail (i32.load (i32.const 1028)) (i32.load (i32.const 1032))))))
            (local.set $a (i32.add (local.get $a) (i32.const 1)))
            (br_if $on (i32.lt_u (local.get $a) (i32.const 256))))
        (call $drop-sink (local.get $handle))
        (i32.const 64)";
    let consume = "
        (loop $on
            ;; What was read before is not needed any more.
            (global.set $next (i32.const 131072))
            (call $read (local.get $handle) (i32.const 65536) (i32.const 1024))
            (if (i32.load8_u (i32.const 1024)) (then (return
                (call $fail (i32.load (i32.const 1028)) (i32.load (i32.const 1032))))))
            (br_if $on (i32.load (i32.const 1032))))
        (call $drop-source (local.get $handle))
        (i32.const 64)";
    let plugin = load(&backup(plan, produce, consume)).await.unwrap();
    (plugin.start(surroundings(&world, grants)).await.unwrap(), world)
}

fn dump() -> BackupItem {
    let command = Command {
        argv: vec!["true".into()],
        env: Vec::new(),
        user: None,
        workdir: None,
        timeout: None,
    };
    BackupItem::Dump {
        name: "db.sql".into(),
        service: "db".into(),
        take: command.clone(),
        put_back: command,
        belief: Belief::default(),
    }
}

fn custom(names: &[&str]) -> Vec<BackupItem> {
    names.iter().map(|name| BackupItem::Custom { name: (*name).into() }).collect()
}

/// Takes everything and keeps nothing, or breaks after some bytes.
struct Counter {
    taken: Arc<AtomicUsize>,
    breaks_at: usize,
}

impl AsyncWrite for Counter {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, b: &[u8]) -> Poll<io::Result<usize>> {
        if self.taken.fetch_add(b.len(), Ordering::Relaxed) + b.len() > self.breaks_at {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Poll::Ready(Ok(b.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

/// So many zero bytes.
struct Zeros(usize);

impl AsyncRead for Zeros {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.0.min(buffer.remaining());
        buffer.initialize_unfilled_to(length).fill(0);
        buffer.advance(length);
        self.0 -= length;
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn what_a_plugin_makes_is_streamed_and_then_ended() {
    let (mut hooks, _) = guest(&[], &[]).await;
    let taken = Arc::new(AtomicUsize::new(0));
    let sink = Counter { taken: taken.clone(), breaks_at: usize::MAX };
    hooks.produce("thing", Box::new(sink)).await.unwrap();
    // Twice as much as the guest may have in memory, and the shutdown.
    assert_eq!(taken.load(Ordering::Relaxed), (16 << 20) + 1);
}

#[tokio::test]
async fn a_sink_that_breaks_is_the_cause_that_is_told() {
    let (mut hooks, _) = guest(&[], &[]).await;
    let taken = Arc::new(AtomicUsize::new(0));
    let sink = Counter { taken, breaks_at: 1 << 20 };
    let error = hooks.produce("thing", Box::new(sink)).await.unwrap_err();
    assert!(matches!(error, Error::Stream { hook: "produce", .. }), "{error}");
    hooks.after_restore().await.unwrap();
}

#[tokio::test]
async fn a_plugin_takes_back_more_than_its_memory_holds() {
    let (mut hooks, _) = guest(&[], &[]).await;
    hooks.consume("thing", Box::new(Zeros(64 << 20))).await.unwrap();
}

#[tokio::test]
async fn a_dump_needs_the_grant_of_its_service() {
    let (mut hooks, _) = guest(&[dump()], &["exec: app"]).await;
    let error = hooks.backup_plan().await.unwrap_err();
    let Error::Denied { grant, .. } = &error else { panic!("{error}") };
    assert_eq!(grant.to_string(), "exec: db");

    let (mut hooks, _) = guest(&[dump()], &["exec: db"]).await;
    let plan = hooks.backup_plan().await.unwrap();
    let [BackupItem::Dump { name, service, take, .. }] = &plan[..] else { panic!("{plan:?}") };
    assert_eq!(
        (name.as_str(), service.as_str(), &take.argv[..]),
        ("db.sql", "db", &["true".to_owned()][..])
    );
}

/// A dump that says how it can be believed, in the version of the role that has this.
fn believed(belief: Belief) -> BackupItem {
    let BackupItem::Dump { name, service, take, put_back, .. } = dump() else { unreachable!() };
    BackupItem::Dump { name, service, take, put_back, belief }
}

fn names(before: &str, after: &str) -> Option<Names> {
    let BackupItem::Dump { take, .. } = dump() else { unreachable!() };
    Some(Names { listing: take, between: Some((before.into(), after.into())), all: true })
}

#[tokio::test]
async fn a_dump_says_how_it_can_be_believed() {
    for belief in [
        Belief::default(),
        Belief { ending: Ending::Line("-- end".into()), ..Belief::default() },
        Belief { ending: Ending::Bytes(vec![0, 255]), may_shrink: true, names: None },
        Belief { ending: Ending::Unmarked, may_shrink: false, names: names("# ", "") },
    ] {
        let plan = [believed(belief), BackupItem::Custom { name: "notes".into() }];
        let (mut hooks, _) = guest(&plan, &["exec: db"]).await;
        assert_eq!(hooks.backup_plan().await.unwrap(), plan);
    }
}

#[tokio::test]
async fn what_cannot_mark_a_dump_is_refused() {
    let ending = |ending| Belief { ending, ..Belief::default() };
    let named = |names| Belief { names, ..Belief::default() };
    let nothing = Some(Names {
        listing: Command { argv: vec![String::new()], ..names("#", "").unwrap().listing },
        between: None,
        all: false,
    });
    for (belief, told) in [
        (ending(Ending::Line(String::new())), "1 to 1024 bytes"),
        (ending(Ending::Line("a\nb".into())), "a line of several"),
        (ending(Ending::Line("x".repeat(1025))), "1 to 1024 bytes"),
        (ending(Ending::Bytes(Vec::new())), "1 to 1024 bytes"),
        (named(names("", "")), "beside its names"),
        (named(names("#", &"x".repeat(201))), "beside its names"),
        (named(nothing), "names no program"),
    ] {
        let (mut hooks, _) = guest(&[believed(belief)], &["exec: db"]).await;
        let error = hooks.backup_plan().await.unwrap_err();
        assert!(matches!(error, Error::Answer { .. }), "{error}");
        assert!(error.to_string().contains(told), "{told}: {error}");
    }
}

#[tokio::test]
async fn names_that_are_no_file_names_are_refused() {
    for name in ["../x", "", "a/b", "-rf", ".hidden", "a b"] {
        let (mut hooks, _) = guest(&custom(&[name]), &[]).await;
        let error = hooks.backup_plan().await.unwrap_err();
        assert!(matches!(error, Error::Answer { .. }), "{name:?}: {error}");
    }
    let (mut hooks, _) = guest(&custom(&["a", "b"]), &[]).await;
    assert_eq!(hooks.backup_plan().await.unwrap().len(), 2);
    let (mut hooks, _) = guest(&custom(&["a", "a"]), &[]).await;
    assert!(matches!(hooks.backup_plan().await, Err(Error::Answer { .. })));
}
