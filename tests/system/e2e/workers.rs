//! The workers on a cluster: webhooks, lost pods, pauses, roll-outs, blue-green, dead letters.

use super::kubernetes::Cluster;
use super::{proved, within};
use crate::manual;

/// Seconds that anything may take that is waited for.
const BOUND: u64 = 180;

/// What `make deploy` is told of the workers: small ones, in both pools.
pub(super) const ARGUMENTS: &str = "--set workers.critical.enabled=true --set workers.critical.replicaCount=1 \
    --set workers.critical.resources.requests.cpu=25m --set workers.critical.resources.requests.memory=32Mi \
    --set workers.shutdownTimeoutSeconds=5 --set settings.webhookAllowPrivate=true";

/// Of orders, those whose webhook has arrived exactly once.
const ARRIVED: &str = "kube logs receiver --tail=-1 | sort | uniq -c | awk '$1 == 1' | wc -l";
const TWICE: &str = "kube logs receiver --tail=-1 | sort | uniq -d | wc -l";
const WAITING: &str = "job WHERE kind = 'order.webhook'";

/// A command of order-food in a pod of the API.
const IN_API: &str = "kube exec deployment/order-food -c order-food -- order-food";

/// In this order: each step leaves the workers as it found them.
pub(super) async fn keep_their_promises(cluster: &Cluster, policy: &str) {
    receiver(cluster, policy).await;
    killed(cluster).await;
    paused(cluster).await;
    rolled_out(cluster).await;
    replayed_and_switched(cluster).await;
    applied(cluster);
}

/// Places so many orders, each with one webhook; returns how many have been placed in all.
fn place(cluster: &Cluster, orders: usize) -> usize {
    cluster.ok(&format!(
        "for _ in $(seq {orders}); do {IN_API} try-order --url http://127.0.0.1:8080 --api-key apitest; done"
    ));
    cluster.count("orders WHERE created_at > (SELECT min(created_at) FROM webhook_endpoints)")
}

async fn all_arrive_once(cluster: &Cluster, placed: usize, what: &str) {
    within(BOUND, what, async || {
        cluster.count(WAITING) == 0 && cluster.number(ARRIVED) + cluster.number(TWICE) >= placed
    })
    .await;
    assert_eq!(cluster.count("job_dead WHERE kind = 'order.webhook'"), 0);
}

async fn receiver(cluster: &Cluster, policy: &str) {
    let address = cluster.ok("free_address receiver-address");
    let fill = format!(
        "sed 's#@ADDRESS@#{address}#; s#@PULL_POLICY@#{policy}#; s#@IMAGE@#'\"$POSTGRES_IMAGE\"'#' tests/system/e2e/receiver-pod.yaml | kube apply -f -
         kube wait pod/receiver --for=condition=Ready --timeout=60s"
    );
    cluster.ok(&fill);
    cluster.ok(&format!(
        "{IN_API} webhooks add http://{address}/hook --events order.placed; sleep 2"
    ));
    let placed = place(cluster, 3);
    assert_eq!(placed, 3);
    all_arrive_once(cluster, placed, "the webhooks of three orders").await;
    assert_eq!(cluster.number(TWICE), 0);
    proved("webhooks of orders were delivered by a worker's pod, each once");
}

async fn killed(cluster: &Cluster) {
    let twice = cluster.number(TWICE);
    cluster.ok("kube exec receiver -- bash -c 'kill -USR1 1'");
    let placed = place(cluster, 1);
    within(BOUND, "the job runs", async || {
        cluster.count(&format!("{WAITING} AND state = 1")) == 1
    })
    .await;
    cluster.ok("kube delete pods -l component=workers --force --grace-period=0");
    cluster.ok("kube rollout status deployment/order-food-workers --timeout=3m; kube rollout status deployment/order-food-workers-critical --timeout=3m");
    all_arrive_once(cluster, placed, "the webhook whose worker was killed").await;
    assert_eq!(
        cluster.number(TWICE),
        twice + 1,
        "the attempt of the killed worker, and that of another"
    );
    proved("a worker's pod killed in mid-job: another one ran the job");
}

async fn paused(cluster: &Cluster) {
    for pool in ["order-food-workers", "order-food-workers-critical"] {
        cluster.ok(&format!(
            "kube set env deployment/{pool} QUARKUS_SCHEDULER_ENABLED=false; kube rollout status deployment/{pool} --timeout=3m"
        ));
    }
    let placed = place(cluster, 2);
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(cluster.count(WAITING), 2, "jobs while the workers are paused");
    let health =
        "kube exec deployment/order-food-workers -- order-food health --url http://127.0.0.1:8080/q/health";
    assert!(cluster.ok(health).contains(r#""enabled":false"#));
    for pool in ["order-food-workers", "order-food-workers-critical"] {
        cluster.ok(&format!(
            "kube set env deployment/{pool} QUARKUS_SCHEDULER_ENABLED-; kube rollout status deployment/{pool} --timeout=3m"
        ));
    }
    all_arrive_once(cluster, placed, "the webhooks that were held back").await;
    proved("paused and resumed by kubectl set env: nothing ran meanwhile, and nothing was lost");
}

async fn rolled_out(cluster: &Cluster) {
    let twice = cluster.number(TWICE);
    cluster.ok("kube rollout restart deployment/order-food-workers deployment/order-food-workers-critical");
    let placed = place(cluster, 20);
    cluster.ok("kube rollout status deployment/order-food-workers --timeout=3m; kube rollout status deployment/order-food-workers-critical --timeout=3m");
    all_arrive_once(cluster, placed, "the webhooks of twenty orders").await;
    assert_eq!(cluster.number(TWICE), twice, "webhooks that were delivered twice");
    proved("a rolling update under load: no job was lost, none was done twice");
}

/// Every kubectl command of the runbook, with a dead letter and a second version.
async fn replayed_and_switched(cluster: &Cluster) {
    let unfit = r#"sql "INSERT INTO job (kind, priority, payload, timeout_ms) VALUES ('maintenance.job_retention', 4, '\"?\"', 1000)""#;
    cluster.ok(unfit);
    within(BOUND, "a dead letter", async || cluster.count("job_dead") == 1).await;
    // With the image of this deployment, and its receiver at a private address.
    cluster.ok(r#"
        kube create configmap order-food-config --from-literal=WEBHOOK_ALLOW_PRIVATE=true
        image=$(kube get deployment order-food-workers -o jsonpath='{.spec.template.spec.containers[0].image}')
        pull=$(kube get deployment order-food-workers -o jsonpath='{.spec.template.spec.containers[0].imagePullPolicy}')
        rm -rf target/e2e-k8s && mkdir -p target/e2e-k8s && cp -r k8s target/e2e-k8s/
        sed -i "s#image: .*#image: $image#; s#imagePullPolicy: .*#imagePullPolicy: $pull#; s#cpu: \"\?[0-9]*m\"\?#cpu: 10m#; s#memory: [0-9]*[MG]i#memory: 64Mi#" \
          target/e2e-k8s/k8s/blue-green/*.yaml target/e2e-k8s/k8s/jobs/*.yaml"#);
    let blocks = manual::cluster_commands_of_the_runbook();
    assert!(blocks.len() >= 18, "{}", blocks.len());
    for block in &blocks {
        let block = block.replace("-n order-food", "-n $namespace");
        cluster.ok(&format!("cd target/e2e-k8s\n{block}"));
        if block.contains("dead-letters-replay.yaml") {
            within(BOUND, "the replayed job has failed again", async || {
                cluster.count("job_dead") == 2
            })
            .await;
            proved("a Job replayed the dead letter");
        }
        if block.contains("deployment/order-food-workers --replicas=0")
            && block.contains("workers-v2 --replicas=2")
        {
            // No other pool takes jobs of this priority now.
            cluster.ok(&format!("{IN_API} jobs enqueue reporting.refresh --wait 2m"));
            proved("blue-green: the second version worked beside the first, and took over");
        }
    }
    let replayed = cluster.count("job_dead WHERE replayed_as IS NOT NULL");
    assert_eq!(replayed, 1);
    cluster.ok("rm -rf target/e2e-k8s");
    proved("the kubectl commands of the runbook work");
}

/// The manifests in a namespace of their own, without pods: they can be applied again after what is
/// set by hand.
fn applied(cluster: &Cluster) {
    cluster.ok(r#"other=$namespace-manifests
        trap 'kubectl delete namespace "$other" --wait=false >/dev/null; rm -rf target/e2e-k8s' EXIT
        mkdir -p target/e2e-k8s && cp -r k8s target/e2e-k8s/
        sed -i "s#replicas: .*#replicas: 0#; s#namespace: order-food#namespace: $other#" target/e2e-k8s/k8s/base/*.yaml
        kubectl create namespace "$other"
        apply() {
          kubectl apply -k target/e2e-k8s/k8s/base
          kubectl apply -f target/e2e-k8s/k8s/base/deployment-workers-critical.yaml -n "$other"
        }
        apply
        for name in JOBS_SCHEDULER_ENABLED QUARKUS_SCHEDULER_ENABLED; do
          for value in false true; do
            for pool in order-food-workers order-food-workers-critical; do
              kubectl set env "deployment/$pool" "$name=$value" -n "$other"
              kubectl set env "deployment/$pool" --list -n "$other" | grep "^$name=$value$"
            done
            apply
          done
        done"#);
    proved("the manifests can be applied again after kubectl set env");
}
