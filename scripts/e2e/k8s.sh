#!/usr/bin/env bash
# `make e2e-k8s`: proves charts and `make deploy` on the cluster of the current context, line by line, in a namespace of its own, which
# it removes at the end. It needs neither DNS nor a metrics server, and with IMAGE_LOADER (see scripts/deploy/deploy.sh) no registry
# either. POSTGRES_IMAGE (postgres:17) chooses the development database; SKIP_BUILD=1 takes the images that are there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
export NAMESPACE=${E2E_NAMESPACE:-order-food-e2e}
# The revision stays what it is now, whatever is committed meanwhile.
# shellcheck source=../images/source.sh
. "$here/../images/source.sh"
# shellcheck source=../deploy/place.sh
. "$here/../deploy/place.sh"
# shellcheck source=expect.sh
. "$here/expect.sh"
# shellcheck source=k8s-traffic.sh
. "$here/k8s-traffic.sh"
cd "$root"

bound=180 # seconds that anything may take that is waited for
postgres_image=${POSTGRES_IMAGE:-postgres:17}
work=$(mktemp -d)

clean_up() {
  local status=$?
  trap - EXIT
  [[ $status -eq 0 ]] || {
    kube get pods,jobs -o wide
    kube get events --sort-by=.lastTimestamp | tail -n 20
    tail -n 30 "$work"/*.log
  } >&2 || true
  kubectl delete namespace "$namespace" --ignore-not-found --timeout=120s >/dev/null || true
  rm -rf "$work"
  exit "$status"
}

sql() { kube exec postgres-0 -c postgres -- psql --no-psqlrc -U shop -d shop -v ON_ERROR_STOP=1 -qAtc "$1"; }

# get PATH: through the API server, which needs no way into the cluster's network.
get() { kubectl get --raw "/api/v1/namespaces/$namespace/services/order-food:80/proxy$1"; }

price() { get /api/product/1 | grep -o '"price":[0-9.]*'; }

has_price() { [[ $(price) == "\"price\":$1" ]]; }

api_pods() { kube get pods -l app.kubernetes.io/name=order-food -o jsonpath='{range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}{"\n"}{end}' | sort; }

ready_pods() { api_pods | grep -c 'true$'; }

has_ready_pods() { [[ $(ready_pods) == "$1" && $(api_pods | wc -l) == "$1" ]]; }

# An address that the cluster would give a Service: chosen by itself, so that it is of its range and free.
free_address() {
  kube create service clusterip "$1" --tcp=80 >/dev/null
  kube get service "$1" -o jsonpath='{.spec.clusterIP}'
  kube delete service "$1" >/dev/null
}

stored() { sql "SELECT count(*) FROM orders"; }

runs() { sql "SELECT count(*) FROM bootstrap_runs WHERE task = 'database-load' AND outcome = '$1'"; }

find_helm
need_cluster
trap clean_up EXIT
kubectl delete namespace "$namespace" --ignore-not-found --timeout=120s >/dev/null
kubectl create namespace "$namespace" >/dev/null
kubectl label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted >/dev/null
database_address=$(free_address one)
api_address=$(free_address two)

postgres_policy=IfNotPresent
if [[ -n ${IMAGE_LOADER:-} ]]; then
  postgres_policy=Never
  [[ $(kubectl get nodes -o jsonpath='{.items[*].status.images[*].names}') == *"/$postgres_image\""* ]] ||
    $IMAGE_LOADER "$postgres_image" >"$work/postgres-image.log" 2>&1
fi
# Who the server is, is the image's affair.
user=999 group=999
if command -v docker >/dev/null && docker image inspect "$postgres_image" >/dev/null 2>&1; then
  user=$(docker run --rm --entrypoint id "$postgres_image" -u postgres)
  group=$(docker run --rm --entrypoint id "$postgres_image" -g postgres)
fi
security="podSecurityContext.runAsUser=$user,podSecurityContext.runAsGroup=$group,podSecurityContext.fsGroup=$group"
export POSTGRES_ARGS="--set image.repository=${postgres_image%:*} --set-string image.tag=${postgres_image##*:} --set image.pullPolicy=$postgres_policy
  --set service.clusterIP=$database_address --set persistence.enabled=false --set $security"
POSTGRES_ARGS=${POSTGRES_ARGS//$'\n'/}
# No run of its own comes in between.
export DATABASE_LOAD_ARGS="--set cronjob.schedule=@yearly"
export ORDER_FOOD_ARGS="--set service.clusterIP=$api_address --set replicaCount=2 --set drain.waitSeconds=5"

since=$SECONDS
make --no-print-directory deploy >"$work/deploy.log" 2>&1 || fail "make deploy failed: $(cat "$work/deploy.log")"
expect_in "make deploy" "order-food: passed" "$work/deploy.log"
expect_in "make deploy" "kubectl port-forward -n $namespace svc/order-food 8080:80" "$work/deploy.log"
expect "orders of helm test" "$(sql "SELECT count(*) FROM orders WHERE created_at > now() - interval '1 hour'")" 1
proved "make deploy: postgres, database-load and order-food are there after $((SECONDS - since)) s, helm test placed an order and read it back"

created=$(date -d "$(kube get deployment order-food -o jsonpath='{.metadata.creationTimestamp}')" +%s)
ready=$(kube get pods -l app.kubernetes.io/name=order-food -o jsonpath='{range .items[*]}{.status.conditions[?(@.type=="Ready")].lastTransitionTime}{"\n"}{end}' | sort | tail -n 1)
proved "from the installation of order-food to two pods that are ready, with schema and data: $(($(date -d "$ready" +%s) - created)) s"

kube logs -l app.kubernetes.io/name=order-food -c database-migration --tail=-1 >"$work/migration.log"
expect_in "log of the init containers" "outcome changed" "$work/migration.log"
expect "migrations that were applied more than once" "$(sql 'SELECT count(*) - count(DISTINCT version) FROM __diesel_schema_migrations')" 0
proved "the init containers of both pods raced: each migration was applied once"

SKIP_BUILD=1 make --no-print-directory deploy >"$work/again.log" 2>&1 || fail "the second make deploy failed: $(cat "$work/again.log")"
proved "a second make deploy changes nothing and succeeds"

stored_before=$(stored)
start_traffic "$api_address" "$postgres_image" "$postgres_policy"
until_true "the first answers" has_answers 50
helm upgrade order-food charts/order-food --reuse-values --set podAnnotations.try=one --wait --timeout 5m >/dev/null
at_upgrade=$(answered)
until_true "answers of the new pods" has_answers $((at_upgrade + 50))
helm rollback order-food --wait --timeout 5m >/dev/null
at_rollback=$(answered)
until_true "answers after the rollback" has_answers $((at_rollback + 50))
stop_traffic
expect "requests that failed" "$(failed)" 0
expect "orders that were stored" "$(($(stored) - stored_before))" "$(placed)"
proved "an upgrade and a rollback under traffic: $(answered) requests, none failed, every answered order is stored"

until_true "the end of the pods that were replaced" has_ready_pods 2
before=$(api_pods)
if TIMEOUT=40s SKIP_BUILD=1 ORDER_FOOD_ARGS="$ORDER_FOOD_ARGS --set initContainers.databaseLoad.profiles={nowhere}" \
  make --no-print-directory deploy >"$work/failing.log" 2>&1; then
  fail "a load that cannot succeed was deployed"
fi
expect_in "the failed deployment" "nowhere.toml" "$work/failing.log"
expect_in "the failed deployment" "Rolling order-food back" "$work/failing.log"
expect "pods of the old revision" "$(api_pods)" "$before"
expect "the shop" "$(get /ready | grep -o '"status":"[a-z]*"')" '"status":"ready"'
proved "a failing load in a new revision: events and its log are shown, the release is rolled back, the old pods served all the time"

make --no-print-directory job JOB=database-load >"$work/job.log" 2>&1 || fail "make job failed: $(cat "$work/job.log")"
expect_in "make job" "outcome unchanged" "$work/job.log"
kube create job --from=cronjob/database-load manual-load >/dev/null
kube wait --for=condition=complete --timeout="${bound}s" job/manual-load >/dev/null
kube create job --from=cronjob/database-load status --dry-run=client -o json |
  kubectl patch --local -f - --type json -o json \
    -p '[{"op":"replace","path":"/spec/template/spec/containers/0/args","value":["status"]}]' | kube apply -f - >/dev/null
kube wait --for=condition=complete --timeout="${bound}s" job/status >/dev/null
kube logs job/status >"$work/status.log"
expect_in "the Job with the arguments status" "default" "$work/status.log"
proved "the CronJob run by hand, with make job and with kubectl create job, and with other arguments"

helm upgrade database-load charts/database-load --reuse-values --set 'profiles={nowhere}' --set cronjob.restartPolicy=Never >/dev/null
if make --no-print-directory job JOB=database-load >"$work/failing-job.log" 2>&1; then
  fail "a load that cannot succeed succeeded"
fi
expect_in "the failing CronJob run" "PodFailurePolicy" "$work/failing-job.log"
expect_in "the failing CronJob run" "nowhere.toml" "$work/failing-job.log"
expect "pods after it" "$(api_pods)" "$before"
helm rollback database-load >/dev/null
proved "a failing CronJob run: exit code 2 fails the Job at once, no pod of the API was touched"

kube scale deployment/order-food --replicas=0 >/dev/null
until_true "no pods" has_ready_pods 0
unchanged=$(runs unchanged)
kube scale deployment/order-food --replicas=5 >/dev/null
until_true "five pods" has_ready_pods 5
expect "loads that found nothing to do" "$(($(runs unchanged) - unchanged))" 5
expect "failed loads" "$(sql "SELECT count(*) FROM bootstrap_runs WHERE task = 'database-load' AND outcome = 'failed' AND profile = 'default'")" 0
proved "scaled to 5 with racing init containers: all are ready, none loaded anything twice"

for try in first second; do
  helm upgrade order-food charts/order-food --reuse-values --set autoscaling.enabled=true --set podAnnotations.try="$try" --wait --timeout 5m >/dev/null
  expect "pods under the autoscaler" "$(kube get deployment order-food -o jsonpath='{.spec.replicas}')" 5
done
proved "the autoscaler switched on by an upgrade, and another upgrade: the number of pods stays what it was"

data=database-load/data
sed 's#"default/#"#g' $data/default.toml >"$work/default.toml"
sed 's/12\.99/13.49/' $data/default/products.csv >"$work/products.csv"
kube create configmap newer --from-file="$work/default.toml" --from-file="$work/products.csv" \
  --from-file=$data/default/users.json --from-file=$data/default/api_keys.json --from-file=$data/default/promotions.csv \
  --from-file=$data/default/coupons1.txt --from-file=$data/default/coupons2.txt --from-file=$data/default/coupons3.txt \
  --from-file=$data/default/orders.jsonl >/dev/null
helm upgrade database-load charts/database-load --reuse-values --set-json 'sources=[{"name":"newer","configMap":{"name":"newer"}}]' \
  --set 'profiles={/data/newer/default.toml}' >/dev/null
make --no-print-directory job JOB=database-load >"$work/newer.log" 2>&1 || fail "the newer load failed: $(cat "$work/newer.log")"
until_true "the new price" has_price 13.49
kube delete pod -l app.kubernetes.io/name=order-food --wait=false >/dev/null
until_true "new pods of the old replica set" has_ready_pods 5
expect "the price after old pods were started again" "$(price)" '"price":13.49'
[[ $(runs held) -ge 5 ]] || fail "the old data were not held back"
proved "a refresh by the CronJob reached the pods; pods of the old replica set that started later left the newer data alone"

kube patch cronjob database-load -p '{"spec":{"suspend":true,"schedule":"* * * * *"}}' >/dev/null
minute=$(date +%M)
scheduled() { kube get cronjob database-load -o jsonpath='{.status.lastScheduleTime}'; }
last_run=$(scheduled)
minute_is_over() { [[ $(date +%M) != "$minute" && $(date +%-S) -ge 10 ]]; }
until_true "a minute" minute_is_over
expect "last run of a suspended CronJob" "$(scheduled)" "$last_run"
kube patch cronjob database-load -p '{"spec":{"suspend":false}}' >/dev/null
has_run() { [[ $(scheduled) != "$last_run" ]]; }
until_true "a run of the resumed CronJob" has_run
proved "suspended, the CronJob starts nothing; resumed, it does"

# With the namespace that the manual leaves to the context.
kubectl config view --raw --minify --flatten >"$work/kubeconfig"
KUBECONFIG=$work/kubeconfig kubectl config set-context --current --namespace="$namespace" >/dev/null
KUBECONFIG=$work/kubeconfig scripts/e2e/manual.sh >"$work/manual.log" 2>&1 || fail "what the manual says does not work: $(tail -n 20 "$work/manual.log")"
until_true "the price of the version before" has_price 12.99
proved "$(tail -n 1 "$work/manual.log" | sed 's/\.$//'), the refresh was taken back by them"

helm test database-load --timeout 2m >/dev/null
make --no-print-directory undeploy PURGE=1 >"$work/undeploy.log" 2>&1 || fail "make undeploy failed: $(cat "$work/undeploy.log")"
nothing_left() { [[ -z $(kube get all,secrets,configmaps,persistentvolumeclaims -l app.kubernetes.io/part-of=order-food -o name) ]]; }
until_true "nothing is left" nothing_left
proved "make undeploy leaves nothing behind"
