{{/* What the Deployment computes from the values. */}}

{{- define "food.poolSize" -}}
{{- .Values.settings.poolSize | default 10 | int -}}
{{- end }}

{{/* The most connections of one pod that write orders, for those without a limited promotion and for those with one. */}}
{{- define "food.writerConnections" -}}
{{- $least := .Values.settings.writerConnectionsMin | default 1 | int -}}
{{- add (max (.Values.settings.writerConnectionsMax | default 8 | int) $least) $least -}}
{{- end }}

{{/* Connections of one pod: for requests, of the writer of orders, two of the refresher, one that listens for changes of orders. */}}
{{- define "food.connections" -}}
{{- add (include "food.poolSize" . | int) (include "food.writerConnections" . | int) 3 -}}
{{- end }}

{{/* Most pods at the same time, with the one more of a roll-out. */}}
{{- define "food.mostPods" -}}
{{- add1 (ternary .Values.autoscaling.maxReplicas .Values.replicaCount .Values.autoscaling.enabled | int) -}}
{{- end }}

{{- define "food.gracePeriod" -}}
{{- $drain := add .Values.drain.waitSeconds .Values.drain.shutdownTimeoutSeconds | int -}}
{{- $grace := .Values.terminationGracePeriodSeconds | default (add $drain 10) | int -}}
{{- if le $grace $drain -}}
{{- fail (printf "terminationGracePeriodSeconds: %d is not above drain.waitSeconds and drain.shutdownTimeoutSeconds (%d): requests in flight would be cut off" $grace $drain) -}}
{{- end -}}
{{- $grace -}}
{{- end }}

{{- define "food.progressDeadline" -}}
{{- $seconds := 120 -}}
{{- range .Values.initContainers -}}
{{- if .enabled }}{{ $seconds = add $seconds .timeoutSeconds }}{{ end -}}
{{- end -}}
{{- .Values.progressDeadlineSeconds | default $seconds | int -}}
{{- end }}

{{/* The values that are given, as variables: poolWaitMs is POOL_WAIT_MS. values; prefix, as JOBS_. */}}
{{- define "food.variables" -}}
{{- $prefix := .prefix | default "" -}}
{{- range $name, $value := .values }}
{{- if not (kindIs "invalid" $value) }}
- name: {{ printf "%s%s" $prefix ($name | snakecase | upper) }}
  {{- if kindIs "slice" $value }}
  value: {{ join "," $value | quote }}
  {{- else if kindIs "float64" $value }}
  value: {{ int64 $value | quote }}
  {{- else }}
  value: {{ $value | quote }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The variables of the API. */}}
{{- define "food.env" -}}
{{- if and (eq (.Values.settings.idempotencySweepIn | default "api") "workers") (not .Values.workers.enabled) -}}
{{- fail "settings.idempotencySweepIn: workers remove nothing while workers.enabled is false" -}}
{{- end -}}
{{- if and (not (kindIs "invalid" .Values.settings.cell)) (not .Values.settings.cellSince) -}}
{{- fail "settings.cell: needs settings.cellSince, the time since when all cells have a number" -}}
{{- end -}}
- name: PORT
  value: "8080"
- name: ENABLE_METRICS
  value: {{ .Values.metrics.enabled | quote }}
- name: DRAIN_WAIT
  value: {{ .Values.drain.waitSeconds | quote }}
- name: SHUTDOWN_TIMEOUT
  value: {{ .Values.drain.shutdownTimeoutSeconds | quote }}
{{- if .Values.console.enabled }}
- name: CONSOLE_PORT
  value: "8081"
- name: CONSOLE_BIND_ADDRESS
  value: 0.0.0.0
- name: CONSOLE_READ_ONLY
  value: {{ .Values.console.readOnly | quote }}
{{- with .Values.console.traceUrl }}
- name: CONSOLE_TRACE_URL
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- include "food.variables" (dict "values" .Values.settings) }}
{{- include "food.variables" (dict "values" .Values.jobs "prefix" "JOBS_") }}
{{- include "food.objectStoreEnv" . }}
{{- end }}

{{/* Where `s3://` leads. */}}
{{- define "food.objectStoreEnv" -}}
{{- with .Values.objectStore.endpoint }}
- name: AWS_ENDPOINT_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.objectStore.region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- with .Values.objectStore.existingSecret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef: { name: {{ . | quote }}, key: access-key-id }
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef: { name: {{ . | quote }}, key: secret-access-key }
{{- end }}
{{- end }}

{{/*
How many pods to ask for; nothing under an autoscaler. But what a release once asked for, Helm would take away with the upgrade
that switches the autoscaler on, and Kubernetes would begin again at 1: from then on the number is what it is. An annotation on
the Deployment remembers that. root, name, count; autoscaler: its name, or nothing.
*/}}
{{- define "food.replicas" -}}
{{- if not .autoscaler -}}
{{- .count -}}
{{- else -}}
{{- $live := lookup "apps/v1" "Deployment" .root.Release.Namespace .name -}}
{{- if $live -}}
{{- $kept := dig "metadata" "annotations" "order-food/replicas" "" $live -}}
{{- if or $kept (not (lookup "autoscaling/v2" "HorizontalPodAutoscaler" .root.Release.Namespace .autoscaler)) -}}
{{- $live.spec.replicas | int -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Metrics of a HorizontalPodAutoscaler: CPU and memory, of targets in percent. */}}
{{- define "food.resourceMetrics" -}}
{{- range $name, $target := dict "cpu" .targetCPUUtilizationPercentage "memory" .targetMemoryUtilizationPercentage }}
{{- with $target }}
- type: Resource
  resource:
    name: {{ $name }}
    target:
      type: Utilization
      averageUtilization: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* How pods spread: root, selector. */}}
{{- define "food.topologySpread" -}}
{{- $constraints := list -}}
{{- range .root.Values.topologySpreadConstraints -}}
{{- $constraints = append $constraints (merge (dict) . (dict "labelSelector" (dict "matchLabels" $.selector))) -}}
{{- end -}}
{{- with $constraints -}}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What the pods may connect to: DNS, the database, telemetry, `extra`, and ports of any address. root, ports. */}}
{{- define "food.egress" -}}
{{- with .root.Values.networkPolicy.egress -}}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
- ports:
    - port: {{ .databasePort }}
      protocol: TCP
  {{- with .databaseTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- if ne $.root.Values.telemetry.endpoint "none" }}
- ports:
    - port: {{ .telemetryPort }}
      protocol: TCP
{{- end }}
{{- with $.ports }}
- ports:
    {{- range . }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
{{- end }}
{{- with .extra }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end }}
