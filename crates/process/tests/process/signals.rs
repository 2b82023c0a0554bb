//! The signals that ask a process to stop.

use std::io::{Write as _, stdout};

use crate::{again, is_child};

fn wait_for_signals() {
    let asked_to_stop = process::signals::shutdown();
    let mut output = stdout();
    writeln!(output, "ready").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(asked_to_stop.cancelled());
    writeln!(output, "cancelled").unwrap();
    loop {
        std::thread::park();
    }
}

#[tokio::test]
async fn the_first_signal_asks_and_the_second_ends_the_process() {
    if is_child() {
        return std::thread::spawn(wait_for_signals).join().unwrap();
    }
    for (first, second, status) in [("TERM", "TERM", 143), ("INT", "TERM", 143), ("TERM", "INT", 130)] {
        let test = "signals::the_first_signal_asks_and_the_second_ends_the_process";
        let mut process = again(test, &[]);
        process.wait_for_text("ready").await;

        process.signal(first);
        process.wait_for_text("cancelled").await;
        assert!(process.running());

        process.signal(second);
        assert_eq!(process.wait_output().await.code, Some(status));
    }
}
