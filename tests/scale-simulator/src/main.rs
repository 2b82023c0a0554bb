//! Prints the tables of the simulator, which docs/SCALE.md repeats.

#![expect(clippy::print_stdout, reason = "the answer of the program")]

fn main() {
    print!("{}", scale_simulator::report::report());
}
