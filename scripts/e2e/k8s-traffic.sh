# Requests that keep coming, from a pod, since not every cluster lets its node in: to be sourced by k8s.sh.
# shellcheck shell=bash disable=SC2016,SC2154

# What the pod runs, in the bash of the PostgreSQL image: an order and the catalogue in turn, each over a connection of its own;
# a line for each, "order 200" and the like. 000 is a connection that was refused or broke off.
traffic_script='
order=$(printf "%s" "{\"items\":[{\"productId\":\"1\",\"quantity\":2}]}")
ask() {
  local status=000 rest
  { exec 3<>"/dev/tcp/$HOST/80"; } 2>/dev/null && {
    printf "%s HTTP/1.1\r\nHost: shop\r\nX-API-Key: apitest\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s" "$2" "${#3}" "$3" >&3
    read -r -t 20 _ status rest <&3 && cat <&3 >/dev/null
    exec 3>&-
  }
  echo "$1 ${status:-000}"
}
trap "stop=yes" TERM
until [[ -n ${stop:-} ]]; do
  ask order "POST /api/order" "$order"
  ask products "GET /api/product" ""
done
'

# start_traffic ADDRESS IMAGE PULL_POLICY
start_traffic() {
  kube create configmap traffic --from-literal="script=$traffic_script" >/dev/null
  kube apply -f - >/dev/null <<POD
apiVersion: v1
kind: Pod
metadata:
  name: traffic
spec:
  restartPolicy: Never
  enableServiceLinks: false
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 30
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: traffic
      image: $2
      imagePullPolicy: $3
      command: [bash, -c, 'eval "\$SCRIPT"']
      env:
        - name: HOST
          value: "$1"
        - name: SCRIPT
          valueFrom:
            configMapKeyRef:
              name: traffic
              key: script
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
POD
}

answers() { kube logs traffic --tail=-1 2>/dev/null; }
answered() { answers | wc -l; }
has_answers() { [[ $(answered) -ge $1 ]]; }
failed() { answers | grep -cv ' 200$' || true; }
placed() { answers | grep -c '^order 200$' || true; }

# The pod ends its last request; its log is kept for what comes after.
stop_traffic() {
  kube exec traffic -- bash -c 'kill -TERM 1'
  kube wait pod/traffic --for=jsonpath='{.status.phase}'=Succeeded --timeout=60s >/dev/null
}
