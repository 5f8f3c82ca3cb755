//! A socket that leads to another one, as `ssh -L` or a proxy makes it.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    thread,
};

/// Forwards what connects to `socket` to `target`, for as long as this program
/// runs.
pub fn forward(socket: &Path, target: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    let target = target.to_owned();
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = UnixStream::connect(&target) else { continue };
            for (mut from, mut to) in
                [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)]
            {
                thread::spawn(move || {
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
}

/// Where a request of a client ends that [`killing`] forwards for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Killed {
    /// The engine never hears of it.
    Before,
    /// The engine has answered, and the client does not hear of it.
    After,
}

/// Forwards as [`forward`] does, and kills the client at one of its requests that change
/// something, counted from 0. Returns where its process id is to be put, once it is started,
/// and the count.
pub fn killing(
    socket: &Path,
    target: &Path,
    at: usize,
    how: Killed,
) -> (Arc<AtomicU32>, Arc<AtomicUsize>) {
    let (client, passed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicUsize::new(0)));
    let (pid, count) = (Arc::clone(&client), Arc::clone(&passed));
    let listener = UnixListener::bind(socket).unwrap();
    let target = target.to_owned();
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = UnixStream::connect(&target) else { continue };
            let dying = Arc::new(AtomicBool::new(false));
            let (mut from, mut to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            let (passed, dies) = (Arc::clone(&passed), Arc::clone(&dying));
            let (pid, killer) = (Arc::clone(&client), Arc::clone(&client));
            thread::spawn(move || {
                let mut piece = vec![0; 256 * 1024];
                while let Ok(read) = from.read(&mut piece) {
                    // A client writes the head of a request by itself or first.
                    let is_change = [&b"POST "[..], b"DELETE "]
                        .iter()
                        .any(|verb| piece[..read].starts_with(verb));
                    if is_change && passed.fetch_add(1, Ordering::SeqCst) == at {
                        match how {
                            Killed::Before => return kill(&pid),
                            Killed::After => dies.store(true, Ordering::SeqCst),
                        }
                    }
                    if read == 0 || to.write_all(&piece[..read]).is_err() {
                        break;
                    }
                }
                let _ = to.shutdown(Shutdown::Write);
            });
            let (mut from, mut to) = (far, near);
            thread::spawn(move || {
                let mut piece = vec![0; 256 * 1024];
                while let Ok(read) = from.read(&mut piece) {
                    if dying.load(Ordering::SeqCst) {
                        return kill(&killer);
                    }
                    if read == 0 || to.write_all(&piece[..read]).is_err() {
                        break;
                    }
                }
                let _ = to.shutdown(Shutdown::Write);
            });
        }
    });
    (pid, count)
}

fn kill(client: &AtomicU32) {
    let pid = i32::try_from(client.load(Ordering::SeqCst)).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).expect("it was started");
    // It may have ended by itself.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}
