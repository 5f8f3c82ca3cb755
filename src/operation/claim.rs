//! Claims an app against others with this folder, while other work goes on.

use std::time::{Duration, Instant};

use crate::home::{AppEntry, AppGuard, Error, Home};

/// Between two tries.
const BETWEEN_TRIES: Duration = Duration::from_millis(250);

/// Claims the app; waits this long for another process that has it.
///
/// # Errors
/// [`Error::Locked`] when another process has it still.
pub async fn claim(
    home: &Home,
    app: &AppEntry,
    doing: &str,
    wait: Duration,
) -> Result<AppGuard, Error> {
    let ending = Instant::now() + wait;
    loop {
        match home.guard_app(app, doing) {
            Err(Error::Locked { .. }) if Instant::now() < ending => {
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
            claimed => return claimed,
        }
    }
}
