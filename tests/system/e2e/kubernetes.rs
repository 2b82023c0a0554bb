//! Charts and `make deploy` on the cluster of the current context, in a namespace of their own,
//! which `make e2e-k8s` removes at the end.
//!
//! The cluster needs neither DNS nor a metrics server, and with `IMAGE_LOADER` no registry.

use super::{Shell, init_jobs, proved, within, workers};
use crate::manual;

/// Seconds that anything may take that is waited for.
const BOUND: u64 = 180;

const PRELUDE: &str = r#"
. scripts/deploy/place.sh
find_helm
sql() { kube exec postgres-0 -c postgres -- psql --no-psqlrc -U shop -d shop -v ON_ERROR_STOP=1 -qAtc "$1"; }
# Through the API server, which needs no way into the cluster's network.
get() { kubectl get --raw "/api/v1/namespaces/$namespace/services/order-food:80/proxy$1"; }
api_pods() { kube get pods -l app.kubernetes.io/name=order-food -o jsonpath='{range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}{"\n"}{end}' | sort; }
target() { make --no-print-directory "$@"; }
# An address that the cluster would give a Service: chosen by itself, so that it is of its range and free.
free_address() {
  kube create service clusterip "$1" --tcp=80 >/dev/null
  kube get service "$1" -o jsonpath='{.spec.clusterIP}'
  kube delete service "$1" >/dev/null
}
"#;

/// Images, and who the server of the development database is: that is its image's affair.
const DATABASE: &str = r#"
policy=IfNotPresent user=999 group=999 image=$POSTGRES_IMAGE
if [[ -n ${IMAGE_LOADER:-} ]]; then
  policy=Never
  [[ $(kubectl get nodes -o jsonpath='{.items[*].status.images[*].names}') == *"/$image\""* ]] || $IMAGE_LOADER "$image" >&2
fi
if docker image inspect "$image" >/dev/null 2>&1; then
  user=$(docker run --rm --entrypoint id "$image" -u postgres)
  group=$(docker run --rm --entrypoint id "$image" -g postgres)
fi
echo "--set image.repository=${image%:*} --set-string image.tag=${image##*:} --set image.pullPolicy=$policy" \
  "--set service.clusterIP=$(free_address one) --set persistence.enabled=false" \
  "--set podSecurityContext.runAsUser=$user,podSecurityContext.runAsGroup=$group,podSecurityContext.fsGroup=$group"
"#;

pub(super) struct Cluster(Shell);

impl Cluster {
    pub(super) fn ok(&self, script: &str) -> String {
        self.0.ok(script)
    }

    /// A command that fails, and what it says.
    pub(super) fn fails(&self, script: &str, said: &[&str]) {
        let (code, all) = self.0.run(script);
        assert_ne!(code, 0, "{script}: {all}");
        for part in said {
            assert!(all.contains(part), "{script}: no {part:?} in {all}");
        }
    }

    async fn has_pods(&self, count: usize) {
        within(BOUND, &format!("{count} pods are ready"), async || {
            let (code, pods) = self.0.run("api_pods");
            code == 0 && pods.lines().count() == count && pods.lines().all(|pod| pod.ends_with("true"))
        })
        .await;
    }

    async fn has_price(&self, price: &str) {
        let wanted = format!("\"price\":{price}");
        within(BOUND, &format!("the price is {price}"), async || {
            self.0.run("get /api/product/1").1.contains(&wanted)
        })
        .await;
    }

    pub(super) fn number(&self, script: &str) -> usize {
        self.0.number(script)
    }

    pub(super) fn count(&self, from: &str) -> usize {
        self.0.number(&format!("sql \"SELECT count(*) FROM {from}\""))
    }

    fn loads(&self, outcome: &str) -> usize {
        self.count(&format!(
            "bootstrap_runs WHERE task = 'database-load' AND outcome = '{outcome}'"
        ))
    }

    /// Waits until the traffic has been answered so many times more.
    async fn traffic_flows(&self) {
        let answered = || self.ok("kube logs traffic --tail=-1").lines().count();
        let before = answered();
        within(BOUND, "traffic flows", async || answered() >= before + 50).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make e2e-k8s"]
async fn charts_and_make_deploy_keep_the_promises_of_the_manual() {
    let shell = Shell::new(PRELUDE);
    let postgres = shell.ok(DATABASE);
    let address = shell.ok("free_address two");
    let policy = if postgres.contains("pullPolicy=Never") {
        "Never"
    } else {
        "IfNotPresent"
    };
    let arguments = format!(
        "--set service.clusterIP={address} --set replicaCount=2 --set drain.waitSeconds=5 {}",
        workers::ARGUMENTS
    );
    let shell = shell
        .with("POSTGRES_ARGS", postgres)
        // No run of its own comes in between.
        .with("DATABASE_LOAD_ARGS", "--set cronjob.schedule=@yearly")
        .with("ORDER_FOOD_ARGS", arguments);
    let cluster = Cluster(shell);

    deployed(&cluster);
    under_traffic(&cluster, &address, policy).await;
    failing_revision(&cluster).await;
    jobs(&cluster);
    workers::keep_their_promises(&cluster, policy).await;
    init_jobs::keep_their_promises(&cluster);
    scaled(&cluster).await;
    refreshed(&cluster).await;
    suspended(&cluster).await;

    // With the namespace that the manual leaves to the context.
    let blocks = manual::cluster_commands();
    assert!(blocks.len() > 8, "{}", blocks.len());
    for block in &blocks {
        cluster.ok(&format!(
            "kubectl() {{ command kubectl --namespace \"$namespace\" \"$@\"; }}; export REQUEST_ID=none\n{block}"
        ));
    }
    cluster.has_price("12.99").await;
    proved("the kubectl commands of docs/OPERATIONS.md work; the refresh was taken back by them");

    cluster.ok("helm test database-load --timeout 2m; target undeploy PURGE=1");
    let left = "kube get all,secrets,configmaps,persistentvolumeclaims -l app.kubernetes.io/part-of=order-food -o name";
    within(BOUND, "nothing is left", async || cluster.ok(left).is_empty()).await;
    proved("make undeploy leaves nothing behind");
}

fn deployed(cluster: &Cluster) {
    let said = cluster.ok("target deploy");
    assert!(said.contains("order-food: passed"), "{said}");
    assert!(said.contains("svc/order-food 8080:80"), "{said}");
    let recent = "orders WHERE created_at > now() - interval '1 hour'";
    assert_eq!(cluster.count(recent), 1, "orders of helm test");
    let log = cluster.ok("kube logs -l app.kubernetes.io/name=order-food -c database-migration --tail=-1");
    assert!(log.contains("outcome changed"), "{log}");
    let twice = "(SELECT version FROM __diesel_schema_migrations GROUP BY 1 HAVING count(*) > 1) AS twice";
    assert_eq!(cluster.count(twice), 0);
    proved("make deploy: helm test placed an order; one of the racing pods applied each migration");
    cluster.ok("SKIP_BUILD=1 target deploy");
    proved("a second make deploy changes nothing and succeeds");
}

async fn under_traffic(cluster: &Cluster, address: &str, policy: &str) {
    let before = cluster.count("orders");
    cluster.ok(&format!(
        "sed 's#@HOST@#{address}#; s#@PULL_POLICY@#{policy}#; s#@IMAGE@#'\"$POSTGRES_IMAGE\"'#' tests/system/e2e/traffic-pod.yaml | kube apply -f -
         kube wait pod/traffic --for=condition=Ready --timeout=60s"
    ));
    cluster.traffic_flows().await;
    cluster.ok("helm upgrade order-food charts/order-food --reuse-values --set podAnnotations.try=one --wait --timeout 5m");
    cluster.traffic_flows().await;
    cluster.ok("helm rollback order-food --wait --timeout 5m");
    cluster.traffic_flows().await;
    // The pod ends its last request; its log is kept.
    cluster.ok("kube exec traffic -- bash -c 'kill -TERM 1'
         kube wait pod/traffic --for=jsonpath='{.status.phase}'=Succeeded --timeout=60s");
    let answers = cluster.ok("kube logs traffic --tail=-1");
    assert!(answers.lines().all(|line| line.ends_with(" 200")), "{answers}");
    let placed = answers.lines().filter(|line| *line == "order 200").count();
    assert_eq!(cluster.count("orders") - before, placed);
    proved("an upgrade and a rollback under traffic: no request failed, every answered order is stored");
}

async fn failing_revision(cluster: &Cluster) {
    cluster.has_pods(2).await;
    let before = cluster.ok("api_pods");
    let deploy =
        "ORDER_FOOD_ARGS+=' --set initContainers.databaseLoad.profiles={nowhere}'; export ORDER_FOOD_ARGS
        TIMEOUT=40s SKIP_BUILD=1 target deploy";
    cluster.fails(deploy, &["nowhere.toml", "Rolling order-food back"]);
    assert_eq!(cluster.ok("api_pods"), before, "pods of the old revision");
    assert!(cluster.ok("get /ready").contains(r#""status":"ready""#));
    proved("a failing load in a new revision: shown, rolled back, the old pods served all the time");
}

fn jobs(cluster: &Cluster) {
    let said = cluster.ok("target job JOB=database-load");
    assert!(said.contains("outcome unchanged"), "{said}");
    let log = cluster.ok(
        r#"kube create job --from=cronjob/database-load manual-load >/dev/null
        kube wait --for=condition=complete --timeout=180s job/manual-load >/dev/null
        kube create job --from=cronjob/database-load status --dry-run=client -o json |
          kubectl patch --local -f - --type json -o json \
            -p '[{"op":"replace","path":"/spec/template/spec/containers/0/args","value":["status"]}]' | kube apply -f - >/dev/null
        kube wait --for=condition=complete --timeout=180s job/status >/dev/null
        kube logs job/status"#,
    );
    assert!(log.contains("default"), "{log}");
    proved("the CronJob run by hand, with make job and with kubectl create job, and with other arguments");

    let before = cluster.ok("api_pods");
    cluster.ok("helm upgrade database-load charts/database-load --reuse-values --set 'profiles={nowhere}' --set cronjob.restartPolicy=Never");
    cluster.fails(
        "target job JOB=database-load",
        &["PodFailurePolicy", "nowhere.toml"],
    );
    assert_eq!(cluster.ok("api_pods"), before);
    cluster.ok("helm rollback database-load");
    proved("a failing CronJob run: exit code 2 fails the Job at once, no pod of the API was touched");
}

async fn scaled(cluster: &Cluster) {
    cluster.ok("kube scale deployment/order-food --replicas=0");
    cluster.has_pods(0).await;
    let before = cluster.loads("unchanged");
    cluster.ok("kube scale deployment/order-food --replicas=5");
    cluster.has_pods(5).await;
    assert_eq!(
        cluster.loads("unchanged") - before,
        5,
        "loads that found nothing to do"
    );
    assert_eq!(
        cluster.count("bootstrap_runs WHERE outcome = 'failed' AND profile = 'default'"),
        0
    );
    proved("scaled to 5 with racing init containers: all are ready, none loaded anything twice");
    for attempt in ["first", "second"] {
        cluster.ok(&format!(
            "helm upgrade order-food charts/order-food --reuse-values --set autoscaling.enabled=true --set podAnnotations.try={attempt} --wait --timeout 5m"
        ));
        let replicas = cluster.ok("kube get deployment order-food -o jsonpath='{.spec.replicas}'");
        assert_eq!(replicas, "5", "pods under the autoscaler");
    }
    proved("the autoscaler switched on by an upgrade, and another one: the number of pods stays");
}

async fn refreshed(cluster: &Cluster) {
    cluster.ok(
        r##"data=database-load/data work=$(mktemp -d)
        sed 's#"default/#"#g' $data/default.toml >"$work/default.toml"
        sed 's/12\.99/13.49/' $data/default/products.csv >"$work/products.csv"
        cp -n $data/default/* "$work" || true
        kube create configmap newer --from-file="$work" >/dev/null
        rm -r "$work"
        helm upgrade database-load charts/database-load --reuse-values --set-json 'sources=[{"name":"newer","configMap":{"name":"newer"}}]' \
          --set 'profiles={/data/newer/default.toml}'
        target job JOB=database-load"##,
    );
    cluster.has_price("13.49").await;
    cluster.ok("kube delete pod -l app.kubernetes.io/name=order-food --wait=false");
    cluster.has_pods(5).await;
    cluster.has_price("13.49").await;
    assert!(cluster.loads("held") >= 5, "the old data were not held back");
    proved("a refresh reached the pods; new pods of the old replica set left the newer data alone");
}

async fn suspended(cluster: &Cluster) {
    let last = || cluster.ok("kube get cronjob database-load -o jsonpath='{.status.lastScheduleTime}'");
    cluster.ok(r#"kube patch cronjob database-load -p '{"spec":{"suspend":true,"schedule":"* * * * *"}}'"#);
    let before = last();
    cluster.ok("minute=$(date +%M); until [[ $(date +%M) != \"$minute\" && $(date +%-S) -ge 10 ]]; do sleep 0.2; done");
    assert_eq!(last(), before, "last run of a suspended CronJob");
    cluster.ok(r#"kube patch cronjob database-load -p '{"spec":{"suspend":false}}'"#);
    within(BOUND, "a run of the resumed CronJob", async || last() != before).await;
    proved("suspended, the CronJob starts nothing; resumed, it does");
}
