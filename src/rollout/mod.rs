//! One stack onto a swarm: what is there, what differs, sending it, waiting until it
//! runs, going back, taking it off; and stacks of plain compose files. It knows
//! nothing of apps, recipes or plugins.

pub(crate) mod apply;
pub(crate) mod auths;
mod condition;
pub(crate) mod contents;
pub(crate) mod converge;
mod diff;
mod diff_words;
pub(crate) mod drivers;
mod ending;
mod error;
pub(crate) mod external;
mod kept;
pub(crate) mod live;
mod making;
mod place;
mod plan;
mod ports;
pub(crate) mod ps;
mod reached;
mod relabel;
pub(crate) mod removal;
#[allow(clippy::module_inception)]
pub(crate) mod rollout;
mod silent;
pub(crate) mod since;
mod stack;
pub(crate) mod state;
mod task;
mod undo;
mod unpinned;
pub(crate) mod wanted;
pub(crate) mod work;

pub use condition::{Condition, of_services as condition, taskless};
pub use error::{Error, Failed, FailedService, Fate, Problem, Subject, Taken};
pub use place::Place;
pub use plan::{Change, ChangeAction, ChangeKind, Plan, ReachRow};
pub use ps::TaskRow;
pub use reached::Reached;
pub use silent::{Silence, silence, unreadable_driver};
pub use stack::{
    ServiceRow, StackOptions, StackReport, StackRow, deploy_stack, remove_stack, stack_services,
    stack_tasks, stacks,
};
pub use state::{Failing, State};
pub use wanted::wants_tasks;
pub use work::ResolveImage;
