//! Ports and addresses that no other test has, of whichever program it is.

use std::fs::File;

/// Below those that outgoing connections use.
const FIRST: u16 = 20_000;
/// As many as come at once.
const TEN: u16 = 10;
const TENS: u16 = 1000;

/// Ten ports from here on, until this program ends.
///
/// # Panics
/// When all are taken.
pub fn ports() -> u16 {
    FIRST + reserve() * TEN
}

/// The first three numbers of 256 addresses for a network, until this program ends; an
/// engine by itself begins with others.
///
/// # Panics
/// As [`ports`].
pub fn subnet() -> String {
    let number = reserve();
    format!("10.{}.{}", 213 + number / 256, number % 256)
}

/// A number that nobody else has. A lock holds it, which the kernel takes away with the
/// program, however that ends; as what had it on the engine may take a little longer,
/// another program begins to look elsewhere.
fn reserve() -> u16 {
    let folder = std::env::temp_dir().join("potluck-test-ports");
    std::fs::create_dir_all(&folder).unwrap();
    let free = |number: &u16| {
        // Who runs tests as another user has others.
        let file = File::options().create(true).append(true).open(folder.join(number.to_string()));
        file.is_ok_and(|file| {
            let locked = file.try_lock().is_ok();
            if locked {
                std::mem::forget(file);
            }
            locked
        })
    };
    let start = (std::process::id() % u32::from(TENS)) as u16;
    (start..TENS).chain(0..start).find(free).expect("a number that is free")
}
