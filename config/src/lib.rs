//! Where a node keeps its things and how it is set up.
//!
//! One crate answers these questions for the daemon and for the command line, so that they cannot
//! disagree:
//!
//! - [`Home`]: which directory belongs to this node, and what lies where in it;
//! - [`Settings`]: what the owner may choose, with a default for everything, and errors that name the
//!   file, the line, the setting and what is allowed;
//! - [`samples`]: the listings that the demo imports.
//!
//! Nothing here reads the environment: callers read it once and pass it in as [`Surroundings`].
//! Every setting listed here is one that the daemon uses.

mod edit;
mod home;
mod rules;
pub mod samples;
mod settings;

pub use edit::{EditError, Setting, all as all_settings, change_file as change_settings};
pub use home::{Home, HomeError, SOCKET_PATH_MAX_BYTES, Surroundings};
pub use rules::Problem;
pub use settings::{
    LogFormat, LogSettings, MetricsSettings, NetworkSettings, PublicApiSettings,
    SETTINGS_MAX_BYTES, SearchSettings, Settings, SettingsError, StoreSettings, SyncSettings,
};
