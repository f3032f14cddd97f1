//! `fingerpost config …`

use clap::Subcommand;
use fingerpost_config::{EditError, Home, Setting, Settings, all_settings, change_settings};
use fingerpost_proto::api::Status;
use serde::Serialize;

use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::output::{one_line, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// All settings of this node, and which are not the default
    Show,
    /// Change settings in the file, whose comments stay
    Set {
        /// What to change, such as relay=true or network.external=/dns/node.example.org/tcp/7787
        #[arg(required = true, value_name = "KEY=VALUE")]
        changes: Vec<String>,
    },
}

/// The settings, and the file that they are in.
#[derive(Serialize)]
struct Shown {
    file: String,
    settings: Vec<Setting>,
}

/// What was changed.
#[derive(Serialize)]
struct Changed {
    file: String,
    settings: Vec<Setting>,
    /// Whether a daemon runs that has still the old ones.
    restart: bool,
}

pub(crate) async fn run(config: Config, context: &Context) -> Result<(), CliError> {
    let home = Home::at(context.client.home_dir());
    let file = home.config().display().to_string();
    match config {
        Config::Show => {
            let settings = Settings::load(&home.config()).map_err(|it| refused(&it.into()))?;
            let settings = all_settings(&settings);
            let shown = Shown { file, settings };
            context
                .output
                .emit(&shown, |shown| in_words(shown, context))
        }
        Config::Set { changes } => {
            let changes = changes.iter().map(|it| read(it));
            let changes = changes.collect::<Result<Vec<_>, _>>()?;
            let settings = change_settings(&home.config(), &changes).map_err(|it| refused(&it))?;
            let running: Result<Status, CliError> =
                context.client.get(&Target::new(&["status"])).await;
            let changed = Changed {
                file,
                settings,
                restart: running.is_ok(),
            };
            context.output.emit(&changed, told)
        }
    }
}

fn read(text: &str) -> Result<(String, String), CliError> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
        None => Err(CliError::usage(
            format!("\"{text}\" does not say what the setting is to be."),
            "Write KEY=VALUE, such as: fingerpost config set relay=true",
        )),
    }
}

fn refused(error: &EditError) -> CliError {
    CliError::Refused {
        message: error.to_string(),
        hint:
            "All settings and what they may be: fingerpost config show, fingerpostd --sample-config"
                .to_owned(),
    }
}

fn in_words(shown: &Shown, context: &Context) -> String {
    let row = |it: &Setting| {
        let note = if it.is_default { "" } else { "changed" };
        [it.key.clone(), it.value.clone(), note.to_owned()]
    };
    table(
        &context.output,
        ["setting", "value", ""],
        shown.settings.iter().map(row),
    )
}

fn told(changed: &Changed) -> String {
    let lines = changed.settings.iter();
    let mut text: String = lines
        .map(|it| format!("{} = {}\n", it.key, one_line(&it.value)))
        .collect();
    text.push_str(match changed.restart {
        true => "Saved. Restart the daemon: it has still the old settings.\n",
        false => "Saved. It takes effect when the daemon starts.\n",
    });
    text
}
