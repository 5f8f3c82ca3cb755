//! The machine beneath an engine: how much room its disk has, and whether the kernel balances
//! virtual addresses. The engine's API tells neither: they are looked up on this machine where
//! the engine runs here, else in a helper container.

use std::{path::Path, time::Duration};

use futures_util::StreamExt;

use crate::{
    engine::{
        Chunk, Engine, Error, Exec, ExecSession, HelperSpec, Stream, api,
        helper::{OPERATION_LABEL, random},
    },
    text::line,
    wiring::Finding,
};

/// Percent of a disk that should be free.
const FREE: u64 = 15;
/// Percent below which databases begin to fail.
const LEAST: u64 = 5;
/// Bytes below which the same is so, however small the disk is.
const LEAST_BYTES: u64 = 1 << 30;

/// It waits for the end of its input, which is the connection to it.
const SCRIPT: &str = "exec cat >/dev/null";
/// A container's own root is on the disk of the engine's data.
const LOOK: &str = "df -Pk / | tail -n 1; \
                    if [ -d /sys/module/ip_vs ] || [ -e /proc/net/ip_vs ]; \
                    then echo ipvs; else echo none; fi";
/// Bytes; a shell needs some hundred thousand.
const MEMORY: i64 = 64 * 1024 * 1024;
const PROCESSES: i64 = 16;
/// Bytes of what it prints.
const PRINTED: usize = 4096;
/// For all of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    Machine(Machine),
    /// Not looked at, and why.
    Nothing(String),
}

/// A machine with an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    /// Bytes that are free for the engine's data, and all bytes of that disk.
    pub free: u64,
    pub all: u64,
    /// Whether the kernel has loaded IPVS.
    pub balances: bool,
}

/// How much room the disk of an engine's data has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Bytes.
    pub free: u64,
    pub all: u64,
    pub finding: Finding,
}

/// Looks at the disk of the node that an engine speaks for; none where it cannot be seen.
///
/// # Errors
/// What the engine says.
pub async fn disk_of(engine: &dyn Engine, image: &str) -> Result<Option<Disk>, Error> {
    let Some(info) = engine.info().await? else { return Ok(None) };
    Ok(match look(engine, &info, image).await {
        Seen::Machine(machine) => {
            let finding = disk(&machine);
            Some(Disk { free: machine.free, all: machine.all, finding })
        }
        Seen::Nothing(_) => None,
    })
}

/// Looks at the machine beneath an engine.
pub(super) async fn look(engine: &dyn Engine, info: &api::SystemInfo, image: &str) -> Seen {
    // Proved, not believed: a socket may lead anywhere.
    if engine.volumes_folder().await.is_ok()
        && let Some(root) = &info.docker_root_dir
    {
        return match here(Path::new(root)) {
            Ok(machine) => Seen::Machine(machine),
            Err(error) => Seen::Nothing(format!("{}: {error}", line(root))),
        };
    }
    match engine.has_image(image).await {
        Ok(true) => {}
        Ok(false) => {
            return Seen::Nothing(format!(
                "that needs a container of the image {}, which the server lacks",
                line(image)
            ));
        }
        Err(error) => return Seen::Nothing(error.to_string()),
    }
    match tokio::time::timeout(PATIENCE, there(engine, image)).await {
        Ok(Ok(printed)) => match read(&printed) {
            Some(machine) => Seen::Machine(machine),
            None => Seen::Nothing(format!("`df` printed `{}`", line(printed.trim()))),
        },
        Ok(Err(error)) => Seen::Nothing(error.to_string()),
        Err(_) => Seen::Nothing(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

fn here(root: &Path) -> std::io::Result<Machine> {
    let disk = rustix::fs::statvfs(root)?;
    let exists = |path: &str| Path::new(path).exists();
    Ok(Machine {
        free: disk.f_bavail.saturating_mul(disk.f_frsize),
        all: disk.f_blocks.saturating_mul(disk.f_frsize),
        balances: exists("/sys/module/ip_vs") || exists("/proc/net/ip_vs"),
    })
}

/// What a helper container prints.
async fn there(engine: &dyn Engine, image: &str) -> Result<String, Error> {
    let spec = HelperSpec {
        name: format!(
            "potluck-check-{}",
            random().unwrap_or_else(|| std::process::id().to_string())
        ),
        image: image.to_owned(),
        labels: [(OPERATION_LABEL.to_owned(), "check".to_owned())].into(),
        script: SCRIPT.to_owned(),
        memory: MEMORY,
        processes: PROCESSES,
        ..HelperSpec::default()
    };
    let helper = engine.start_helper(&spec).await?;
    let argv = ["sh", "-c", LOOK].map(str::to_owned).to_vec();
    let exec = Exec { argv, user: Some("0:0".into()), ..Exec::default() };
    let printing = async {
        let ExecSession { mut output, .. } = engine.exec(&helper.id, &exec).await?;
        let mut printed = Vec::new();
        while let Some(Chunk { stream, bytes }) = output.next().await.transpose()? {
            if stream == Stream::Stdout {
                let room = PRINTED.saturating_sub(printed.len());
                printed.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
        }
        Ok(String::from_utf8_lossy(&printed).into_owned())
    };
    let printed = printing.await;
    engine.end_helper(&helper.id).await?;
    printed
}

/// Reads the line of `df -Pk` and the word below it.
fn read(printed: &str) -> Option<Machine> {
    let mut lines = printed.lines();
    let disk: Vec<&str> = lines.next()?.split_whitespace().collect();
    let kilobytes = |column: usize| disk.get(column)?.parse::<u64>().ok()?.checked_mul(1024);
    let balances = match lines.next()?.trim() {
        "ipvs" => true,
        "none" => false,
        _ => return None,
    };
    Some(Machine { all: kilobytes(1)?, free: kilobytes(3)?, balances })
}

/// What it means; `balanced` says whether services have virtual addresses.
pub(super) fn judge(seen: &Seen, balanced: bool) -> Vec<Finding> {
    let machine = match seen {
        Seen::Machine(machine) => machine,
        Seen::Nothing(reason) => {
            let told = format!("the room on its disk was not looked at: {}", line(reason));
            return vec![Finding::note("disk", told)];
        }
    };
    let mut findings = vec![disk(machine)];
    if !machine.balances {
        let told = "its kernel has not loaded IPVS";
        findings.push(match balanced {
            true => Finding::bad(
                "kernel",
                format!("{told}: the virtual addresses of services lead nowhere"),
            )
            .fix("`modprobe ip_vs` on the server, and restart the engine; else choose another kernel"),
            false => Finding::note("kernel", format!("{told}, which services need"))
                .fix("`modprobe ip_vs` on the server shows whether it has it"),
        });
    }
    findings
}

fn disk(Machine { free, all, .. }: &Machine) -> Finding {
    let percent = free.saturating_mul(100).checked_div(*all).unwrap_or_default();
    let told = format!("{} of the engine's disk are free ({percent} %)", bytes(*free));
    let fix = "`potluck server prune` removes what no app needs";
    if percent < LEAST || *free < LEAST_BYTES {
        Finding::bad("disk", told).fix(fix)
    } else if percent < FREE {
        Finding::note("disk", told).fix(fix)
    } else {
        Finding::good("disk", told)
    }
}

/// `12.3 GB`
fn bytes(count: u64) -> String {
    let gigabytes = count as f64 / 1e9;
    format!("{gigabytes:.1} GB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wiring::Level;

    const GIGABYTE: u64 = 1_000_000_000;

    #[test]
    fn what_df_prints_is_read() {
        let printed = "overlay 102400 51200 51200 50% /\nipvs\n";
        let machine = Machine { all: 102_400 * 1024, free: 51_200 * 1024, balances: true };
        assert_eq!(read(printed), Some(machine));
        for bad in [
            "",
            "overlay 1 2\nipvs\n",
            "overlay a b c\nipvs\n",
            "overlay 1 2 3 4 /\n",
            "df: x\nnone\n",
            "overlay 99999999999999999999 1 1 1 /\nnone\n",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_full_disk_and_a_kernel_that_cannot_balance_are_found() {
        let judged = |free: u64, all: u64, balances: bool, balanced: bool| {
            let seen = Seen::Machine(Machine { free, all, balances });
            let found = judge(&seen, balanced);
            found.into_iter().map(|it| (it.check, it.level)).collect::<Vec<_>>()
        };
        let all = 100 * GIGABYTE;
        assert_eq!(judged(50 * GIGABYTE, all, true, true), [("disk", Level::Good)]);
        assert_eq!(judged(14 * GIGABYTE, all, true, true), [("disk", Level::Note)]);
        assert_eq!(judged(4 * GIGABYTE, all, true, true), [("disk", Level::Bad)]);
        // Half of a tiny disk is not enough, either.
        assert_eq!(judged(GIGABYTE / 2, GIGABYTE, true, true), [("disk", Level::Bad)]);
        assert_eq!(judged(0, 0, true, true), [("disk", Level::Bad)]);
        let good = ("disk", Level::Good);
        assert_eq!(judged(all, all, false, true), [good, ("kernel", Level::Bad)]);
        assert_eq!(judged(all, all, false, false), [good, ("kernel", Level::Note)]);
        let nothing = judge(&Seen::Nothing("a\nb".into()), true);
        assert_eq!((nothing.len(), nothing[0].level), (1, Level::Note));
        assert!(nothing[0].message.ends_with("not looked at: a b"));
    }
}
