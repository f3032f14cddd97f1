//! `fingerpost seat add|remove|list`

use clap::Subcommand;
use fingerpost_proto::api::{AddSeat, RemoveSeat, SeatView, Seats};

use crate::commands::Context;
use crate::error::CliError;
use crate::output::{one_line, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Seat {
    /// Say that your organisation holds a seat on a forum, a board or another body
    Add {
        /// The body: an organisation of your networks by name or id, or any other by its name
        body: String,
        /// What your organisation does there, such as chair, member, or "represents the carers' groups"
        #[arg(long)]
        role: String,
        /// What sort of body it is, such as forum or "partnership board"
        #[arg(long)]
        kind: Option<String>,
    },
    /// Take a seat off your card that is not held any more
    Remove {
        /// The body, or the id of the seat
        body: String,
        /// Which seat, where your organisation holds several there
        #[arg(long)]
        role: Option<String>,
    },
    /// The seats that your organisation holds
    List,
}

pub(crate) async fn run(seat: Seat, context: &Context) -> Result<(), CliError> {
    let client = &context.client;
    let seats: Seats = match seat {
        Seat::Add { body, role, kind } => {
            let request = AddSeat { body, role, kind };
            client.post(&context.target(&["seats"]), &request).await?
        }
        Seat::Remove { body, role } => {
            let request = RemoveSeat { body, role };
            client
                .post(&context.target(&["seats", "remove"]), &request)
                .await?
        }
        Seat::List => client.get(&context.target(&["seats"])).await?,
    };
    context
        .output
        .emit(&seats, |seats| in_words(seats, context))?;
    if seats.seats.is_empty() {
        let name = one_line(&seats.organisation.name);
        context.output.talk(&format!(
            "{name} lists no seats. To add one: fingerpost seat add BODY --role member"
        ));
    }
    Ok(())
}

fn in_words(seats: &Seats, context: &Context) -> String {
    if seats.seats.is_empty() {
        return String::new();
    }
    let row = |seat: &SeatView| {
        [
            seat.body.clone(),
            seat.role.clone(),
            seat.kind.clone().unwrap_or_default(),
            seat.id.clone(),
        ]
    };
    table(
        &context.output,
        ["body", "role", "kind", "id"],
        seats.seats.iter().map(row),
    )
}
