//! `order-food try-order`: a smoke test of a running server.

use std::path::PathBuf;

use process::failure::{ExitCode, Failure, OrExit};
use process::settings::text::{self, Blanks};
use serde::Deserialize;
use serde_json::{Value, json};

use super::probe::{Url, usage};

/// The part of a product that an order needs.
#[derive(Deserialize)]
struct Product {
    id: String,
}

/// What the staff does to an order, with the versions that it gets by it.
const STEPS: [(&str, i32); 4] = [("accepted", 2), ("preparing", 3), ("ready", 4), ("picked_up", 5)];

/// A key that was given as it is or in a file.
///
/// # Errors
/// Exit code 2 for an unreadable file.
pub(super) fn key(
    option: &'static str,
    key: Option<String>,
    file: Option<PathBuf>,
) -> Result<Option<String>, Failure> {
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
/// Exit code 2 for a URL that is not of that form; 1 when an answer is not 2xx, there is no product
/// to order, or the order or a status read back differs from the answer.
pub(super) fn try_order(url: &str, api_key: &str, staff_key: Option<&str>) -> Result<String, Failure> {
    let server = Url::parse(url).map_err(usage)?;
    let products: Vec<Product> = read(&server.at("/api/product").get(&[])?)?;
    let product = products
        .first()
        .ok_or_else(|| unexpected("there are no products"))?;

    let key = [("X-API-Key", api_key)];
    let basket = json!({"items": [{"productId": product.id, "quantity": 1}]});
    let answered: Value = read(&server.at("/api/order").post(&key, &basket.to_string())?)?;
    let id = answered.get("id").and_then(Value::as_str).unwrap_or_default();
    let order = server.at(&format!("/api/order/{id}"));
    let stored: Value = read(&order.get(&key)?)?;

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
    is_status(&status.get(&key)?, ("placed", 1))?;
    for step in STEPS {
        let wanted = json!({"status": step.0}).to_string();
        is_status(&status.put(&[("X-API-Key", staff_key)], &wanted)?, step)?;
        is_status(&status.get(&key)?, step)?;
    }
    // After a final state the stream ends with its first event.
    let events = server.at(&format!("/api/order/{id}/events")).get(&key)?;
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
