//! `order-food demo-traffic`: customers and a kitchen at a running server, for a board to look at.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use database::Database;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use job_queue::{NewJob, enqueue};
use process::failure::{ExitCode, Failure, OrExit};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::probe::Server;
use crate::exit_code::connecting;
use crate::jobs::OrderWebhook;
use crate::settings::Settings;
use crate::webhooks::{Delivery, Event};

/// What is asked for.
#[derive(clap::Args)]
pub(super) struct DemoTraffic {
    /// Where the server is [default: this machine, at the port of the settings]
    #[arg(long)]
    url: Option<String>,
    /// Orders in a time: a number, a slash, and s or min
    #[arg(long, value_parser = parse_rate, default_value = "2/s")]
    rate: Rate,
    /// Minutes that it lasts, 0.01 to 1440
    #[arg(long, value_parser = parse_minutes, default_value = "5")]
    minutes: Duration,
    /// Also make dead letters: one for each ten orders, straight into the queue of the database
    #[arg(long)]
    with_failures: bool,
    /// API key with the scope create_order
    #[arg(long, value_name = "KEY", default_value = "apitest")]
    api_key: String,
    /// API key with the scope manage_orders
    #[arg(long, value_name = "KEY", default_value = "stafftest")]
    staff_key: String,
}

/// Time between two orders.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rate(Duration);

fn parse_rate(text: &str) -> Result<Rate, String> {
    let wrong = || format!("{text} is not of the form 2/s or 30/min, of at most 100/s");
    let (number, unit) = text.split_once('/').ok_or_else(wrong)?;
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => 1.0,
        "min" => 60.0,
        _ => return Err(wrong()),
    };
    let between = seconds / number;
    match (0.01..=3_600.0).contains(&between) {
        true => Ok(Rate(Duration::from_secs_f64(between))),
        false => Err(wrong()),
    }
}

fn parse_minutes(text: &str) -> Result<Duration, String> {
    let minutes: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
    match (0.01..=1_440.0).contains(&minutes) {
        true => Ok(Duration::from_secs_f64(minutes * 60.0)),
        false => Err(format!("{text} is not between 0.01 and 1440")),
    }
}

/// The way of most orders, with the seconds that each state lasts at most.
const WAY: [(&str, u64); 4] = [
    ("accepted", 30),
    ("preparing", 60),
    ("ready", 120),
    ("picked_up", 120),
];
/// Of a hundred orders, so many are refused by the kitchen instead.
const REJECTED: usize = 4;
/// An order of so many brings a job that fails.
const FAILS_ONE_IN: u64 = 10;
/// Requests that may fail one after the other.
const PATIENCE: u32 = 5;

/// An order on its way.
struct Open {
    id: String,
    /// The next state of [`WAY`].
    next: usize,
    due: Instant,
}

/// The queue of the database, for jobs that fail.
struct Queue {
    runtime: Runtime,
    database: Database,
}

struct Traffic {
    server: Server,
    queue: Option<Queue>,
    arguments: DemoTraffic,
    products: Vec<String>,
    open: Vec<Open>,
    placed: u64,
    moved: u64,
    dead: u64,
    failures: u32,
}

/// Sends customers and a kitchen to a server; says in the end what they did. Exit code 143 when a
/// signal ended it before its time.
///
/// # Errors
/// Exit code 2 in production and for wrong arguments; 1 when the server does not answer, or has no
/// products; 3 when dead letters are asked for and the database cannot be reached: then no order
/// was placed.
pub(super) fn demo_traffic(
    arguments: DemoTraffic,
    config: Option<PathBuf>,
) -> Result<(String, ExitCode), Failure> {
    let stop = process::signals::shutdown();
    let settings = Settings::load(config)?;
    if settings.telemetry.production() {
        return Err(Failure::new(
            ExitCode::Usage,
            "demo-traffic is for development: ENVIRONMENT says production",
        ));
    }
    let url = match &arguments.url {
        Some(url) => url.clone(),
        None => format!("http://127.0.0.1:{}", settings.port),
    };
    let server = Server::parse(&url)?;
    let listed = server.at("/api/product").send("GET", None, "")?;
    let listed: Vec<Value> = serde_json::from_str(&listed).or_exit(ExitCode::Unexpected, "the products")?;
    let products: Vec<String> = listed
        .iter()
        .filter_map(|product| Some(product.get("id")?.as_str()?.to_owned()))
        .collect();
    if products.is_empty() {
        return Err(Failure::new(ExitCode::Unexpected, "there are no products"));
    }
    let queue = match arguments.with_failures {
        true => Some(Queue::reached(&settings)?),
        false => None,
    };
    let mut traffic = Traffic {
        server,
        queue,
        arguments,
        products,
        open: Vec::new(),
        placed: 0,
        moved: 0,
        dead: 0,
        failures: 0,
    };
    traffic.run(&stop)?;
    let code = match stop.is_cancelled() {
        true => ExitCode::Terminated,
        false => ExitCode::Done,
    };
    Ok((traffic.told(), code))
}

impl Traffic {
    /// Runs until the minutes are over or it is asked to stop.
    fn run(&mut self, stop: &CancellationToken) -> Result<(), Failure> {
        let started = Instant::now();
        let mut next = started;
        while started.elapsed() < self.arguments.minutes && !stop.is_cancelled() {
            let now = Instant::now();
            if next <= now {
                // After a pause of the machine it goes on, and makes up for nothing.
                next = (next + self.arguments.rate.0).max(now);
                let is_placed = self.place()?;
                if let Some(queue) = self.queue.as_ref().filter(|_| is_placed)
                    && self.placed % FAILS_ONE_IN == 1
                {
                    queue.enqueue_failing()?;
                    self.dead += 1;
                }
            }
            self.move_due(now)?;
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn told(&self) -> String {
        format!(
            "{} orders were placed, {} times one was moved on, {} are open; {} jobs that fail",
            self.placed,
            self.moved,
            self.open.len(),
            self.dead
        )
    }

    /// Places an order; false where the server did not take it.
    fn place(&mut self) -> Result<bool, Failure> {
        let items: Vec<Value> = (0..=below(2))
            .filter_map(|_| self.products.get(below(self.products.len())))
            .map(|id| json!({ "productId": id, "quantity": 1 + below(3) }))
            .collect();
        let mut basket = json!({ "items": items });
        if below(4) == 0
            && let Some(basket) = basket.as_object_mut()
        {
            basket.insert("couponCode".into(), "SAVE10".into());
        }
        let server = self.server.at("/api/order");
        let answered = server.send("POST", Some(&self.arguments.api_key), &basket.to_string());
        let Some(body) = self.judged(answered)? else {
            return Ok(false);
        };
        let order: Value = serde_json::from_str(&body).or_exit(ExitCode::Unexpected, "the order")?;
        let Some(id) = order.get("id").and_then(Value::as_str) else {
            return Ok(false);
        };
        self.placed += 1;
        self.open.push(Open {
            id: id.to_owned(),
            next: 0,
            due: Instant::now() + wait(0),
        });
        Ok(true)
    }

    /// Moves the orders on whose time has come; one that somebody else moved is left to them.
    fn move_due(&mut self, now: Instant) -> Result<(), Failure> {
        let (due, later) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|order| order.due <= now);
        self.open = later;
        let due: Vec<Open> = due;
        for order in due {
            let Some((status, _)) = WAY.get(order.next) else {
                continue;
            };
            let body = match order.next == 0 && below(100) < REJECTED {
                true => json!({ "status": "rejected", "reason": "too_busy" }),
                false => json!({ "status": status }),
            };
            let status = self.server.at(&format!("/api/order/{}/status", order.id));
            let answered = status.send("PUT", Some(&self.arguments.staff_key), &body.to_string());
            if self.judged(answered)?.is_none() {
                continue;
            }
            self.moved += 1;
            let next = order.next + 1;
            if next < WAY.len() && body.get("reason").is_none() {
                self.open.push(Open {
                    next,
                    due: now + wait(next),
                    ..order
                });
            }
        }
        Ok(())
    }

    /// The body of an answer; `None` for one that is not 2xx, of which few may follow each other.
    fn judged(&mut self, answered: Result<String, Failure>) -> Result<Option<String>, Failure> {
        match answered {
            Ok(body) => {
                self.failures = 0;
                Ok(Some(body))
            }
            Err(failure) => {
                self.failures += 1;
                match self.failures < PATIENCE {
                    true => Ok(None),
                    false => Err(failure),
                }
            }
        }
    }
}

impl Queue {
    /// The queue of a database that answers.
    fn reached(settings: &Settings) -> Result<Queue, Failure> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .or_exit(ExitCode::Unexpected, "start")?;
        let database =
            Database::direct(&settings.database, "order-food-demo").or_exit(ExitCode::Usage, "settings")?;
        let queue = Queue { runtime, database };
        queue.runtime.block_on(queue.connect())?;
        Ok(queue)
    }

    async fn connect(&self) -> Result<AsyncPgConnection, Failure> {
        let connection = self.database.connect_diesel().await;
        connection.map_err(connecting("--with-failures"))
    }

    /// Adds a job that fails for good at its first attempt: there is no such endpoint.
    fn enqueue_failing(&self) -> Result<(), Failure> {
        let (endpoint, order) = (Uuid::now_v7(), Uuid::now_v7());
        let event = Event::OrderPlaced { order };
        let job = NewJob::of::<OrderWebhook>(&Delivery { endpoint, event });
        let job = job.or_exit(ExitCode::Unexpected, "a job that fails")?;
        self.runtime.block_on(async {
            let mut connection = self.connect().await?;
            enqueue(&mut connection, &[job])
                .await
                .or_exit(ExitCode::Unexpected, "--with-failures")?;
            // Workers look each second anyway.
            let _ = connection.batch_execute("NOTIFY jobs_queued").await;
            Ok(())
        })
    }
}

/// A number below `most`, any of them as likely as the others.
fn below(most: usize) -> usize {
    let random = Uuid::new_v4().as_u128() % u128::try_from(most.max(1)).unwrap_or(1);
    usize::try_from(random).unwrap_or(0)
}

/// The time until an order comes into a state of [`WAY`]: a fifth of the longest, or more.
fn wait(next: usize) -> Duration {
    let longest = WAY.get(next).map_or(0, |(_, seconds)| seconds * 1_000);
    let shortest = longest / 5;
    let more = below(usize::try_from(longest - shortest).unwrap_or(1).max(1));
    Duration::from_millis(shortest + u64::try_from(more).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_others_refused() {
        for (text, between) in [("2/s", 500), ("30/min", 2_000), ("0.5/s", 2_000), ("100/s", 10)] {
            assert_eq!(
                parse_rate(text),
                Ok(Rate(Duration::from_millis(between))),
                "{text}"
            );
        }
        for text in [
            "", "2", "/s", "2/h", "0/s", "-1/s", "101/s", "NaN/s", "inf/s", "0.0001/s",
        ] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
        assert_eq!(parse_minutes("0.5"), Ok(Duration::from_secs(30)));
        for text in ["", "0", "-1", "NaN", "1441"] {
            assert!(parse_minutes(text).is_err(), "{text}");
        }
    }
}
