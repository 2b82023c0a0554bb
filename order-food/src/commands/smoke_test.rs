//! `order-food try-order`: a smoke test of a running server.

use std::path::PathBuf;

use process::failure::{ExitCode, Failure, OrExit};
use process::settings::text::{self, Blanks};
use serde::Deserialize;
use serde_json::{Value, json};

use super::probe::Server;

/// What is asked for.
#[derive(clap::Args)]
pub(super) struct TryOrder {
    /// Where the server is.
    #[arg(long)]
    url: String,
    /// API key with the scopes create_order and read_orders
    #[arg(long, value_name = "KEY", required_unless_present = "api_key_file")]
    api_key: Option<String>,
    /// File that holds the API key in one line
    #[arg(long, value_name = "FILE", conflicts_with = "api_key")]
    api_key_file: Option<PathBuf>,
    /// API key with the scope manage_orders; without it the order stays placed
    #[arg(long, value_name = "KEY")]
    staff_key: Option<String>,
    /// File that holds the key of the staff in one line
    #[arg(long, value_name = "FILE", conflicts_with = "staff_key")]
    staff_key_file: Option<PathBuf>,
}

/// The part of a product that an order needs.
#[derive(Deserialize)]
struct Product {
    id: String,
}

/// What the staff does to an order, with the versions that it gets by it.
const STEPS: [(&str, i32); 4] = [("accepted", 2), ("preparing", 3), ("ready", 4), ("picked_up", 5)];

/// A key that was given as it is or in a file.
fn key(option: &'static str, key: Option<String>, file: Option<PathBuf>) -> Result<Option<String>, Failure> {
    let key = match file {
        Some(file) => {
            let bytes = std::fs::read(&file).or_exit(ExitCode::Usage, option)?;
            Some(text::value(&bytes, Blanks::Cut).or_exit(ExitCode::Usage, option)?)
        }
        None => key,
    };
    Ok(key.map(|key| key.trim().to_owned()))
}

/// Orders the first product of the server at `url` (`http://host:port`), reads the order and its
/// status back, walks it through its states where there is a key of the staff, and says in one line
/// what came of it.
///
/// # Errors
/// Exit code 2 for a URL that is not of that form and for an unreadable file; 1 when an answer is
/// not 2xx, there is no product to order, or the order or a status read back differs from the
/// answer.
pub(super) fn try_order(arguments: TryOrder) -> Result<String, Failure> {
    let TryOrder {
        url,
        api_key,
        api_key_file,
        staff_key,
        staff_key_file,
    } = arguments;
    let api_key = key("--api-key-file", api_key, api_key_file)?.unwrap_or_default();
    let staff_key = key("--staff-key-file", staff_key, staff_key_file)?;
    let server = Server::parse(&url)?;
    let products: Vec<Product> = read(&server.at("/api/product").send("GET", None, "")?)?;
    let product = products
        .first()
        .ok_or_else(|| unexpected("there are no products"))?;

    let key = Some(api_key.as_str());
    let basket = json!({"items": [{"productId": product.id, "quantity": 1}]});
    let answered: Value = read(&server.at("/api/order").send("POST", key, &basket.to_string())?)?;
    let id = answered.get("id").and_then(Value::as_str).unwrap_or_default();
    let order = server.at(&format!("/api/order/{id}"));
    let stored: Value = read(&order.send("GET", key, "")?)?;

    for field in ["id", "items", "total"] {
        if answered.get(field).is_none() || stored.get(field) != answered.get(field) {
            let problem = format!(
                "{field} of the order read back differs: {answered} was answered, {stored} is stored"
            );
            return Err(unexpected(&problem));
        }
    }
    let placed = format!("{} products; order {id} was placed and read back", products.len());
    let status = server.at(&format!("/api/order/{id}/status"));
    let Some(staff_key) = staff_key else {
        return Ok(placed);
    };
    is_status(&status.send("GET", key, "")?, ("placed", 1))?;
    for step in STEPS {
        let wanted = json!({"status": step.0}).to_string();
        is_status(&status.send("PUT", Some(&staff_key), &wanted)?, step)?;
        is_status(&status.send("GET", key, "")?, step)?;
    }
    // After a final state the stream ends with its first event.
    let events = server
        .at(&format!("/api/order/{id}/events"))
        .send("GET", key, "")?;
    let data = events.lines().find_map(|line| line.strip_prefix("data: "));
    is_status(data.unwrap_or_default(), ("picked_up", 5))?;
    Ok(format!("{placed}, and picked up"))
}

/// Checks an answer about the status of an order.
fn is_status(body: &str, (status, version): (&str, i32)) -> Result<(), Failure> {
    let answered: Value = read(body)?;
    let is =
        answered.get("status") == Some(&json!(status)) && answered.get("version") == Some(&json!(version));
    match is {
        true => Ok(()),
        false => Err(unexpected(&format!(
            "the order is not {status}, version {version}: {answered}"
        ))),
    }
}

fn read<T: for<'text> Deserialize<'text>>(body: &str) -> Result<T, Failure> {
    serde_json::from_str(body)
        .map_err(|error| unexpected(&format!("not the JSON that was expected, {error}: {body}")))
}

fn unexpected(problem: &str) -> Failure {
    Failure::new(ExitCode::Unexpected, problem)
}
