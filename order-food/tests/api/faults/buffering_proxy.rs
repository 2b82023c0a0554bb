//! Streams of server-sent events behind a proxy that buffers answers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::events::{Events, state};
use crate::fixtures::{APITEST, MANAGER};
use crate::harness::TestApp;
use crate::order_status::{placed, put};

/// A proxy that hands on an answer in pieces of a size, or when it ends, unless the answer's head
/// says `X-Accel-Buffering: no`; the rule of nginx.
async fn buffering_proxy(server: SocketAddr, obeys: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let upstream = TcpStream::connect(server).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = upstream.into_split();
                let requests = tokio::io::copy(&mut from_client, &mut to_server);
                let answers = async {
                    let (mut held, mut buffers) = (Vec::new(), true);
                    let mut piece = [0; 1_024];
                    while let Ok(read @ 1..) = from_server.read(&mut piece).await {
                        held.extend_from_slice(&piece[..read]);
                        let text = String::from_utf8_lossy(&held).to_ascii_lowercase();
                        buffers &= !(obeys && text.contains("x-accel-buffering: no\r\n"));
                        if !buffers || held.len() >= 8_192 {
                            to_client.write_all(&held).await?;
                            held.clear();
                        }
                    }
                    to_client.write_all(&held).await?;
                    to_client.shutdown().await
                };
                let _ = tokio::join!(requests, answers);
            });
        }
    });
    address
}

#[tokio::test]
async fn behind_a_proxy_that_buffers_the_head_asks_for_no_buffer_and_heartbeats_pass() {
    let app = TestApp::start().await;
    let order = placed(&app).await;
    let proxy = buffering_proxy(app.server.address(), true).await;
    let mut events = Events::over(proxy, APITEST, &order, None).await;
    assert_eq!(events.states().await, [state("placed", 1)]);

    // Within a second each, although no buffer is full.
    for (status, version) in [("accepted", 2), ("preparing", 3)] {
        let began = Instant::now();
        let change = put(MANAGER, &order, &json!({ "status": status }));
        assert_eq!(app.send(&change).await.status(), 200);
        assert_eq!(events.states().await, [state(status, version)]);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }

    // Proxies end connections that are silent for a minute or so.
    let began = Instant::now();
    assert_eq!(events.chunk().await.unwrap(), ":\n\n");
    let silent = began.elapsed();
    assert!((14..17).contains(&silent.as_secs()), "{silent:?}");
}

#[tokio::test]
async fn behind_a_proxy_that_buffers_all_the_same_the_client_ends_in_the_true_state() {
    let app = TestApp::start().await;
    let order = placed(&app).await;
    let proxy = buffering_proxy(app.server.address(), false).await;
    let follow = Events::over(proxy, APITEST, &order, None);
    let walk = async {
        for status in ["accepted", "preparing", "ready", "picked_up"] {
            let change = put(MANAGER, &order, &json!({ "status": status }));
            assert_eq!(app.send(&change).await.status(), 200);
        }
    };

    // The end of the stream, which follows the final state, empties the buffer.
    let (mut events, ()) = tokio::join!(follow, walk);

    let mut last = None;
    while let Some(event) = events.next().await {
        last = Some(event.state());
    }
    assert_eq!(last, Some(state("picked_up", 5)));
}
