//! The command line of `order-food`.

mod demo_traffic;
mod jobs;
mod probe;
mod schema;
mod serve;
mod smoke_test;
mod webhooks;
mod worker;

use std::io::Write;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use process::failure::{ExitCode, Failure, OrExit};
use process::report::{self, run_beside};

use crate::Settings;
use crate::routes::{openapi_json, openapi_yaml};

const EXAMPLES: &str = "\
Example:
  DATABASE_URL=postgres://user:password@localhost:5432/food order-food --config /etc/order-food.toml

Exit status:
  0 stopped after SIGTERM or SIGINT, or done
  1 unexpected error; health: no answer, or not with 2xx; webhooks test: not delivered
  2 wrong usage or settings
  3 database not reachable; worker: or its schema too old
  6 cannot listen on the port, or write its output
  7 worker: the schema is newer than this build
  8 jobs: what was waited for is pending, or the queue is full
  9 jobs: there is no such job, dead letter or pause; jobs, webhooks: the schema is older than they need
143 stopped at once by a second SIGTERM (130: SIGINT)";

/// The REST API of the shop: products and orders.
#[derive(Parser)]
#[command(
    version,
    after_help = EXAMPLES
)]
struct Arguments {
    /// TOML file laid over the defaults; the environment goes over both
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API until SIGTERM (default).
    #[command(after_help = "Example: PORT=9000 order-food serve")]
    Serve,
    /// Run background jobs until SIGTERM.
    #[command(after_help = "Example: WORKER_PRIORITY_FILTER=CRITICAL,HIGH order-food worker")]
    Worker,
    /// Look at background jobs, and act on them.
    Jobs(jobs::Jobs),
    /// Print the effective settings, without secrets.
    Settings,
    /// Probe a running server; exit code 0 for a 2xx answer.
    #[command(after_help = "Example: order-food health --url http://127.0.0.1:8080/ready")]
    Health {
        /// URL to request [default: /health on this machine, at the port of the settings]
        #[arg(long)]
        url: Option<String>,
    },
    /// Place an order with a running server and read it back; with a key of the staff, change its
    /// status up to picked_up; exit code 0 if all is as it should be.
    #[command(
        after_help = "Example: order-food try-order --url http://127.0.0.1:8080 --api-key apitest --staff-key stafftest"
    )]
    TryOrder(smoke_test::TryOrder),
    /// Place orders with a running server and move them on, for a board to look at; in development
    /// only.
    #[command(after_help = "Example: order-food demo-traffic --rate 2/s --minutes 5 --with-failures")]
    DemoTraffic(demo_traffic::DemoTraffic),
    /// Manage the endpoints that events are sent to.
    Webhooks(webhooks::Webhooks),
    /// Print the API's description.
    #[command(after_help = "Example: order-food openapi --format json")]
    Openapi {
        /// Form of the description.
        #[arg(long, value_enum, default_value_t = Format::Yaml)]
        format: Format,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Yaml,
    Json,
}

/// Runs the command of the arguments.
pub fn run() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => report::run(|| serve::serve(arguments.config)),
        Command::Worker => report::run(|| worker::worker(arguments.config)),
        Command::Jobs(action) => run_beside(|| jobs::jobs(action, arguments.config)),
        Command::Settings => run_beside(|| Settings::shown(arguments.config).and_then(|text| print(&text))),
        Command::Health { url } => run_beside(|| {
            let (body, healthy) = probe::health(url, arguments.config)?;
            // Of a server that is not well, the body says why.
            print(&body)?;
            healthy.map(|()| ExitCode::Done)
        }),
        Command::TryOrder(order) => run_beside(|| smoke_test::try_order(order).and_then(|text| print(&text))),
        Command::DemoTraffic(traffic) => run_beside(|| {
            let (text, code) = demo_traffic::demo_traffic(traffic, arguments.config)?;
            print(&text)?;
            Ok(code)
        }),
        Command::Webhooks(webhooks) => {
            run_beside(|| webhooks::run(webhooks, arguments.config).and_then(|text| print(&text)))
        }
        Command::Openapi { format: Format::Yaml } => report::run(|| print(&openapi_yaml())),
        Command::Openapi { format: Format::Json } => report::run(|| print(&openapi_json())),
    }
}

/// Runs the work of a command on this thread.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .or_exit(ExitCode::Unexpected, "start")?;
    runtime.block_on(work)
}

fn print(text: &str) -> Result<ExitCode, Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.write_all(if text.ends_with('\n') { b"" } else { b"\n" }))
        .or_exit(ExitCode::Input, "standard output")?;
    Ok(ExitCode::Done)
}
