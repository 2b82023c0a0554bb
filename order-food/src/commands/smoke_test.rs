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

/// Orders the first product of the server at `url` (`http://host:port`), reads the order back, and
/// says in one line what was stored. The key is taken from `api_key_file` where it is given.
///
/// # Errors
/// Exit code 2 for a URL that is not of that form or an unreadable file; 1 when an answer is not
/// 2xx, there is no product to order, or the order read back differs from the answer.
pub(super) fn try_order(
    url: &str,
    api_key: Option<String>,
    api_key_file: Option<PathBuf>,
) -> Result<String, Failure> {
    let api_key = match api_key_file {
        Some(file) => {
            let bytes = std::fs::read(&file).or_exit(ExitCode::Usage, "--api-key-file")?;
            text::value(&bytes, Blanks::Cut).or_exit(ExitCode::Usage, "--api-key-file")?
        }
        None => api_key.unwrap_or_default(),
    };
    let server = Url::parse(url).map_err(usage)?;
    let products: Vec<Product> = read(&server.at("/api/product").get(&[])?)?;
    let product = products
        .first()
        .ok_or_else(|| unexpected("there are no products"))?;

    let key = [("X-API-Key", api_key.trim())];
    let basket = json!({"items": [{"productId": product.id, "quantity": 1}]});
    let answered: Value = read(&server.at("/api/order").post(&key, &basket.to_string())?)?;
    let id = answered.get("id").and_then(Value::as_str).unwrap_or_default();
    let stored: Value = read(&server.at(&format!("/api/order/{id}")).get(&key)?)?;

    for field in ["id", "items", "total"] {
        if answered.get(field).is_none() || stored.get(field) != answered.get(field) {
            let problem = format!(
                "{field} of the order read back differs: {answered} was answered, {stored} is stored"
            );
            return Err(unexpected(&problem));
        }
    }
    Ok(format!(
        "{} products; order {id} was placed and read back",
        products.len()
    ))
}

fn read<T: for<'text> Deserialize<'text>>(body: &str) -> Result<T, Failure> {
    serde_json::from_str(body)
        .map_err(|error| unexpected(&format!("not the JSON that was expected, {error}: {body}")))
}

fn unexpected(problem: &str) -> Failure {
    Failure::new(ExitCode::Unexpected, problem)
}
