//! What the daemon reports: one place chooses how.

use std::io::IsTerminal;

use fingerpost_config::{LogFormat, LogSettings};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// What others' code reports and nobody can act on. The index writes segments of its own beside tantivy's
/// merges; when a merge finds that its source was replaced meanwhile, tantivy gives it up and says so twice,
/// and nothing is lost. The swarm announces its peer id at every start.
const QUIET: [&str; 2] = [
    "tantivy::indexer::segment_manager=error",
    "libp2p_swarm=warn",
];

/// Starts reporting on standard error. On a terminal: coloured, with times. Under systemd or into a file:
/// plain, without times where the journal adds its own. As JSON where asked for.
///
/// # Errors
/// A filter that cannot be read, in words.
pub fn start(settings: &LogSettings) -> Result<(), String> {
    let filter = EnvFilter::try_new(&settings.filter).map_err(|error| {
        format!(
            "log.filter = \"{}\" cannot be read ({error}); use a level such as \"info\", or \"info,fingerpost_daemon=debug\"",
            settings.filter
        )
    })?;
    let filter = QUIET
        .iter()
        .filter_map(|directive| directive.parse().ok())
        .fold(filter, |filter: EnvFilter, directive| {
            filter.add_directive(directive)
        });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    let terminal = std::io::stderr().is_terminal();
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let started = match (settings.format, terminal) {
        (LogFormat::Json, _) => builder.json().try_init(),
        (LogFormat::Human, _) | (LogFormat::Auto, true) => builder.with_target(false).try_init(),
        (LogFormat::Plain, _) | (LogFormat::Auto, false) if journal => {
            builder.with_ansi(false).without_time().try_init()
        }
        (LogFormat::Plain, _) | (LogFormat::Auto, false) => builder.with_ansi(false).try_init(),
    };
    started.map_err(|error| error.to_string())
}
