//! `fingerpost service add|set|remove`

use clap::Subcommand;
use fingerpost_proto::api::{Edited, Fields};

use crate::commands::{Context, listing};
use crate::error::CliError;

#[derive(Debug, Subcommand)]
pub(crate) enum Service {
    /// Add a service to your listing
    ///
    /// Fields have their Open Referral names, such as name, description, status, url, minimum_age.
    Add {
        /// Fields of the new service; the name is needed
        #[arg(value_name = "FIELD=VALUE", required = true, value_parser = field)]
        fields: Vec<(String, String)>,
    },
    /// Change fields of a service
    ///
    /// An empty value removes a field. Reach into an entry with a path, such as
    /// phones.ID.number=01234567890.
    Set {
        /// Id of the service
        id: String,
        /// Fields to change
        #[arg(value_name = "FIELD=VALUE", required = true, value_parser = field)]
        fields: Vec<(String, String)>,
    },
    /// Remove a service from your listing
    Remove {
        /// Id of the service
        id: String,
    },
}

fn field(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.to_owned()))
        }
        _ => Err("write a field's name, = and its value, such as minimum_age=18".to_owned()),
    }
}

pub(crate) async fn run(service: Service, context: &Context) -> Result<(), CliError> {
    let client = &context.client;
    let edited: Edited = match service {
        Service::Add { fields } => {
            client
                .post(&context.target(&["services"]), &Fields { fields })
                .await?
        }
        Service::Set { id, fields } => {
            client
                .patch(&context.target(&["services", &id]), &Fields { fields })
                .await?
        }
        Service::Remove { id } => client.delete(&context.target(&["services", &id])).await?,
    };
    listing::report(&edited, context)?;
    listing::advise_undo(&edited, context);
    Ok(())
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_split_at_the_first_equals_sign() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(
            field("url=https://x.example/?a=b"),
            pair("url", "https://x.example/?a=b")
        );
        assert_eq!(field("email="), pair("email", ""));
        assert!(field("email").is_err());
        assert!(field(" =x").is_err());
    }
}
