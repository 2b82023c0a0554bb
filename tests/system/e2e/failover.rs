//! Three Patroni nodes under load, broken in every way: no acknowledged order is lost, and the
//! table says how long orders stop.

use std::time::{Duration, Instant};

use test_support::{Patroni, Trio};

use super::{proved, within};
use crate::acknowledged::{Answers, Crowd, are_all_stored};
use crate::pod::Pod;

const CUSTOMERS: usize = 16;

/// Orders come back this soon after the new primary has a synchronous standby, or the old one
/// another: what goes before is the engine's time.
const AGAIN: Duration = Duration::from_secs(3);

/// How long orders are watched after the fault is over.
const AFTERWARDS: Duration = Duration::from_secs(8);

/// What the primary's and the standby's place is, while the cluster is whole.
struct Places {
    primary: usize,
    standby: usize,
}

struct Outage {
    what: &'static str,
    /// Through HAProxy; else by the addresses of all nodes, the primary's first.
    is_proxied: bool,
    fault: fn(&mut Trio, &Places),
    /// Whether another node is promoted.
    promotes: bool,
    mend: fn(&mut Trio, &Places),
}

const OUTAGES: [Outage; 7] = [
    Outage {
        what: "the primary's machine dies (kill -9 of Patroni and PostgreSQL)",
        is_proxied: false,
        fault: |trio, places| trio.signal(places.primary, "KILL"),
        promotes: true,
        mend: |trio, places| trio.revive(places.primary),
    },
    Outage {
        what: "PostgreSQL of the primary dies alone (kill -9)",
        is_proxied: false,
        fault: |trio, places| trio.signal_server(places.primary, "KILL"),
        promotes: true,
        mend: |_, _| (),
    },
    Outage {
        what: "planned switchover",
        is_proxied: false,
        fault: |trio, places| trio.switch_over(places.primary, places.standby),
        promotes: true,
        mend: |_, _| (),
    },
    Outage {
        what: "the synchronous standby dies",
        is_proxied: false,
        fault: |trio, places| trio.signal(places.standby, "KILL"),
        promotes: false,
        mend: |trio, places| trio.revive(places.standby),
    },
    Outage {
        what: "the synchronous standby freezes",
        is_proxied: false,
        fault: |trio, places| trio.signal(places.standby, "STOP"),
        promotes: false,
        mend: |trio, places| trio.signal(places.standby, "CONT"),
    },
    Outage {
        what: "the primary freezes",
        is_proxied: true,
        fault: |trio, places| trio.signal(places.primary, "STOP"),
        promotes: true,
        mend: |trio, places| trio.signal(places.primary, "CONT"),
    },
    Outage {
        what: "the primary freezes, and is listed first",
        is_proxied: false,
        fault: |trio, places| trio.signal(places.primary, "STOP"),
        promotes: true,
        mend: |trio, places| trio.signal(places.primary, "CONT"),
    },
];

/// A cluster that is never left, and all that it has acknowledged.
struct Field {
    trio: Trio,
    acknowledged: Vec<String>,
    table: String,
}

impl Field {
    async fn is_whole(&self) -> Places {
        within(180, "every node is well", async || self.trio.is_whole()).await;
        let (primary, standby) = self.trio.leader_and_standby().unwrap();
        Places { primary, standby }
    }

    /// Number of orders on the primary.
    async fn orders(&self) -> usize {
        let client = self.trio.client(self.is_whole().await.primary).await;
        let count = client.query_one("SELECT count(*) FROM orders", &[]).await;
        usize::try_from(count.unwrap().get::<_, i64>(0)).unwrap()
    }

    /// Waits until COMMIT has a standby to wait for on `primary`, other than the one that is gone.
    async fn has_standby(&self, primary: usize, gone: Option<usize>) {
        let client = self.trio.client(primary).await;
        let gone = gone.map(|node| self.trio.name(node));
        let synchronous = "SELECT EXISTS (SELECT FROM pg_stat_replication
            WHERE sync_state IN ('sync', 'quorum') AND application_name IS DISTINCT FROM $1)";
        within(60, "a standby is synchronous", async || {
            let found = client.query_one(synchronous, &[&gone]).await;
            found.is_ok_and(|row| row.get(0))
        })
        .await;
    }

    async fn suffer(&mut self, outage: &Outage) {
        let places = self.is_whole().await;
        let before = self.orders().await;
        let url = match outage.is_proxied {
            true => self.trio.proxied_url(),
            false => self.trio.url_of_all(places.primary),
        };
        let api = Pod::at(&url).serve().await;
        let keys = format!("order-after-{before}");
        let crowd = Crowd::start(CUSTOMERS, api.port, &keys);
        tokio::time::sleep(Duration::from_secs(3)).await;

        let broken = Instant::now();
        (outage.fault)(&mut self.trio, &places);
        let (mut promoted, mut primary) = (None, places.primary);
        if outage.promotes {
            within(90, "another node is promoted", async || {
                let found = (0..3).find(|node| *node != places.primary && self.trio.is_primary(*node));
                primary = found.unwrap_or(primary);
                found.is_some()
            })
            .await;
            promoted = Some(Instant::now());
        }
        self.has_standby(primary, promoted.is_none().then_some(places.standby))
            .await;
        let synchronous = Instant::now();
        // Commits that were on their way may still be answered.
        let since = promoted.unwrap_or(broken + Duration::from_secs(1));
        within(60, "orders are placed again", async || {
            crowd.served_after(since) > 0
        })
        .await;
        tokio::time::sleep(AFTERWARDS).await;
        (outage.mend)(&mut self.trio, &places);
        tokio::time::sleep(AFTERWARDS).await;
        let answers = crowd.stop().await;
        let process = api.stop().await;
        assert_eq!(process.code, Some(0), "{}", process.stderr);

        let stored = self.orders().await - before;
        let client = self.trio.client(self.is_whole().await.primary).await;
        let count = answers.acknowledged.len();
        let again = silence_ends(&answers, broken);
        let unknown = answers
            .refused
            .get("outcome_unknown")
            .copied()
            .unwrap_or_default();
        self.acknowledged
            .extend(answers.acknowledged.into_iter().map(|(id, _)| id));
        let ids: Vec<&String> = self.acknowledged.iter().collect();
        let found = are_all_stored(&client, &ids).await;
        let unanswered = stored - count;
        assert!(unanswered <= unknown, "{unanswered} stored, {unknown} unknown");
        let (promoted, synchronous) = (promoted.map(|promoted| promoted - broken), synchronous - broken);
        let ours = again.saturating_sub(synchronous);
        assert!(ours < AGAIN, "{promoted:?}, {synchronous:?}, {again:?}");
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let refused: Vec<String> = answers
            .refused
            .iter()
            .map(|(kind, count)| format!("{count} × {kind}"))
            .collect();
        self.table += &format!(
            "| {} | {} | {} | {} | {} | {count} | {found} of {} | {unanswered} | {} |\n",
            outage.what,
            if outage.is_proxied {
                "HAProxy"
            } else {
                "all three hosts"
            },
            promoted.map_or_else(|| "–".to_owned(), seconds),
            seconds(synchronous),
            seconds(again),
            self.acknowledged.len(),
            refused.join(", "),
        );
        proved(&format!("{}: orders again after {}", outage.what, seconds(again)));
    }
}

/// When the longest time without an acknowledged order ends, counted from the fault.
fn silence_ends(answers: &Answers, broken: Instant) -> Duration {
    let mut times: Vec<Instant> = answers.acknowledged.iter().map(|(_, at)| *at).collect();
    times.sort_unstable();
    let gaps = times.windows(2).filter(|pair| pair[1] > broken);
    let longest = gaps
        .max_by_key(|pair| pair[1] - pair[0])
        .expect("orders after the fault");
    longest[1] - broken
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "about 5 min: make failover"]
async fn no_outage_of_three_nodes_loses_an_acknowledged_order() {
    let patroni = Patroni::find().unwrap_or_else(|refusal| panic!("{refusal}"));
    proved(&format!("Patroni {}", patroni.version));
    let trio = Trio::start(&patroni);
    proved("three nodes are well");
    let mut field = Field {
        trio,
        acknowledged: Vec::new(),
        table: String::new(),
    };
    let pod = Pod::at(&field.trio.url_of_all(0));
    drop(pod.bring_up().await);

    for outage in &OUTAGES {
        field.suffer(outage).await;
    }

    proved(&format!(
        "no acknowledged order is lost\n\n\
         | outage | address | promoted after | standby synchronous after | orders again after | acknowledged \
         | found of all until then | stored without 200 | other answers |\n|---|---|---|---|---|---|---|---|---|\n{}",
        field.table
    ));
}
