//! How many definitions a component has once it is instantiated.
//!
//! A component may instantiate components that it holds, and these others: a few
//! kilobytes of thirty levels, each with two instances of the one below, are a
//! thousand million instances. The compiler expands all of them, so they are
//! counted before it runs.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, Encoding, Parser, Payload,
};

/// Definitions of all instances together: CPython's component has some
/// thousands.
const DEFINITIONS: u64 = 100_000;

/// Why a component is not compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooWide {
    #[error("its instances have more than {DEFINITIONS} definitions")]
    Definitions,
    /// Tools that build components never do that, and it can't be counted.
    #[error("it instantiates a component that is given to it from outside")]
    Foreign,
}

/// A component whose sections are being read.
#[derive(Default)]
struct Frame {
    /// Its definitions so far, with those of its instances.
    definitions: u64,
    /// The number of definitions of each component that it can name; none
    /// for those from outside.
    components: Vec<Option<u64>>,
    /// A core module, of which nothing is counted.
    module: bool,
}

/// Counts. What does not parse is left for the compiler to tell.
///
/// # Errors
/// [`TooWide`]
pub fn check(component: &[u8]) -> Result<(), TooWide> {
    let mut frames: Vec<Frame> = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        let Ok(payload) = payload else { return Ok(()) };
        match payload {
            Payload::Version { encoding, .. } => {
                frames.push(Frame { module: encoding == Encoding::Module, ..Frame::default() });
                continue;
            }
            Payload::End(_) => {
                let ended = frames.pop();
                if let (Some(ended), Some(outer)) = (ended, frames.last_mut())
                    && !ended.module
                {
                    outer.components.push(Some(ended.definitions));
                }
                continue;
            }
            _ => {}
        }
        let read = match frames.last() {
            Some(frame) if !frame.module => section(&mut frames, payload),
            _ => continue,
        };
        match read {
            Ok(Ok(())) => {}
            Ok(Err(too_wide)) => return Err(too_wide),
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// Adds one section to the innermost component.
fn section(frames: &mut [Frame], payload: Payload<'_>) -> wasmparser::Result<Result<(), TooWide>> {
    let Some((frame, outer)) = frames.split_last_mut() else { return Ok(Ok(())) };
    let more = match payload {
        Payload::ComponentInstanceSection(instances) => {
            let mut more = 0;
            for instance in instances {
                more += match instance? {
                    ComponentInstance::FromExports(exports) => 1 + exports.len() as u64,
                    ComponentInstance::Instantiate { component_index, args } => {
                        let known = frame.components.get(component_index as usize);
                        let Some(inside) = known.copied().flatten() else {
                            return Ok(Err(TooWide::Foreign));
                        };
                        inside.saturating_add(1 + args.len() as u64)
                    }
                };
                if more > DEFINITIONS {
                    break;
                }
            }
            more
        }
        Payload::ComponentAliasSection(aliases) => {
            for alias in aliases.clone() {
                match alias? {
                    ComponentAlias::Outer {
                        kind: ComponentOuterAliasKind::Component,
                        count,
                        index,
                    } => {
                        let from = match count as usize {
                            0 => Some(&*frame),
                            count => outer.len().checked_sub(count).and_then(|n| outer.get(n)),
                        };
                        let inside = from.and_then(|f| f.components.get(index as usize));
                        let inside = inside.copied().flatten();
                        frame.components.push(inside);
                    }
                    ComponentAlias::InstanceExport {
                        kind: ComponentExternalKind::Component,
                        ..
                    } => frame.components.push(None),
                    _ => {}
                }
            }
            aliases.count().into()
        }
        Payload::ComponentImportSection(imports) => {
            for import in imports.clone() {
                if matches!(import?.ty, ComponentTypeRef::Component(_)) {
                    frame.components.push(None);
                }
            }
            imports.count().into()
        }
        Payload::ComponentExportSection(exports) => {
            for export in exports.clone() {
                let export = export?;
                if export.kind == ComponentExternalKind::Component {
                    let inside = frame.components.get(export.index as usize).copied().flatten();
                    frame.components.push(inside);
                }
            }
            exports.count().into()
        }
        Payload::InstanceSection(section) => section.count().into(),
        Payload::ComponentCanonicalSection(section) => section.count().into(),
        Payload::ComponentTypeSection(section) => section.count().into(),
        Payload::CoreTypeSection(section) => section.count().into(),
        _ => 0,
    };
    frame.definitions = frame.definitions.saturating_add(more);
    match frame.definitions > DEFINITIONS {
        true => Ok(Err(TooWide::Definitions)),
        false => Ok(Ok(())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<(), TooWide> {
        check(&wat::parse_str(text).unwrap())
    }

    #[test]
    fn instances_are_counted_with_what_they_hold() {
        let levels = |count: usize, each: &str| {
            let mut text =
                "(component $C0 (core module $M) (core instance (instantiate $M)))".to_owned();
            for level in 1..=count {
                let below = each.replace("BELOW", &format!("$C{}", level - 1));
                text = format!("(component $C{level} {text} {below})");
            }
            format!("(component {text})")
        };
        let two = "(instance (instantiate BELOW)) (instance (instantiate BELOW))";
        assert_eq!(of(&levels(3, two)), Ok(()));
        assert_eq!(of(&levels(30, two)), Err(TooWide::Definitions));
        // By another name.
        let renamed = "(export $e \"e\" (component BELOW)) (instance (instantiate $e))
                       (instance (instantiate BELOW))";
        assert_eq!(of(&levels(3, renamed)), Ok(()));
        assert_eq!(of(&levels(30, renamed)), Err(TooWide::Definitions));
        let from_outside = "(component $Outer (alias outer 1 BELOW (component $B))
                                (instance (instantiate $B)) (instance (instantiate $B)))
                            (instance (instantiate $Outer))";
        assert_eq!(of(&levels(3, from_outside)), Ok(()));
        assert_eq!(of(&levels(30, from_outside)), Err(TooWide::Definitions));
    }

    #[test]
    fn a_component_from_outside_is_not_instantiated() {
        let given = "(component (component $C (import \"c\" (component $c))
                        (instance (instantiate $c)) (instance (instantiate $c)))
                     (component $D) (instance (instantiate $C (with \"c\" (component $D)))))";
        assert_eq!(of(given), Err(TooWide::Foreign));
    }

    #[test]
    fn what_does_not_parse_is_left_to_the_compiler() {
        for bytes in [&b""[..], b"\0asm\x0d\0\x01\0\x05\xff", b"\0asm\x0d\0\x01\0\x05\x01\xff"] {
            assert_eq!(check(bytes), Ok(()));
        }
    }
}
