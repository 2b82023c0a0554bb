//! The `order-food` program.

fn main() -> std::process::ExitCode {
    order_food::commands::run()
}
