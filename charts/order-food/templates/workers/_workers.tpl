{{/* The pools of workers: what their Deployments, autoscalers, budgets and network policies are made of. */}}

{{/* The name of a pool's objects, at most 62 characters: root, suffix. */}}
{{- define "workers.fullname" -}}
{{- $name := include "shop.fullname" .root -}}
{{- if gt (len $name) 45 -}}
{{- $name = printf "%s-%s" ($name | trunc 36 | trimSuffix "-") ($name | sha256sum | trunc 8) -}}
{{- end -}}
{{- printf "%s-%s" $name .suffix -}}
{{- end }}

{{/* The pools that are enabled, as a YAML list; each entry is a map. */}}
{{- define "workers.pools" -}}
{{- $workers := .Values.workers -}}
{{- $pools := list -}}
{{- if $workers.enabled -}}
{{- $pools = append $pools (dict "suffix" "workers" "pool" "general" "version" "v1" "tag" .Values.image.tag "replicas" $workers.replicaCount
    "filter" $workers.priorityFilter "resources" $workers.resources "autoscaling" $workers.autoscaling
    "priorityClassName" $workers.priorityClassName) -}}
{{- end -}}
{{- with $workers.critical -}}
{{- if .enabled -}}
{{- $pools = append $pools (dict "suffix" "workers-critical" "pool" "critical" "version" "v1" "tag" $.Values.image.tag "replicas" .replicaCount
    "filter" .priorityFilter "resources" .resources "autoscaling" .autoscaling "priorityClassName" .priorityClassName) -}}
{{- end -}}
{{- end -}}
{{- with $workers.v2 -}}
{{- if .enabled -}}
{{- $pools = append $pools (dict "suffix" "workers-v2" "pool" "general" "version" "v2" "tag" .tag "replicas" .replicaCount
    "filter" $workers.priorityFilter "resources" $workers.resources "autoscaling" $workers.autoscaling
    "priorityClassName" $workers.priorityClassName) -}}
{{- end -}}
{{- end -}}
{{- range $pools -}}
{{- $name := include "workers.fullname" (dict "root" $ "suffix" .suffix) -}}
{{- $scaler := $workers.autoscaling.enabled | ternary ($workers.autoscaling.keda.enabled | ternary (printf "keda-hpa-%s" $name) $name) "" -}}
{{- $labels := include "shop.labels" (dict "root" $ "component" "workers" "suffix" .suffix) | fromYaml -}}
{{- $_ := set . "name" $name -}}
{{- $_ := set . "autoscaler" $scaler -}}
{{- $_ := set . "selector" (pick $labels "app.kubernetes.io/name" "app.kubernetes.io/instance") -}}
{{- end -}}
{{- toYaml $pools -}}
{{- end }}

{{/* The labels of a pool's objects: root, pool; extra (a map) for its pods. */}}
{{- define "workers.labels" -}}
{{- $own := dict "app" (include "shop.name" .root) "component" "workers" "version" .pool.version -}}
{{- include "shop.labels" (dict "root" .root "component" "workers" "suffix" .pool.suffix "extra" (merge $own (.extra | default dict))) -}}
{{- end }}

{{/* Settings of the API that are settings of the workers, too. */}}
{{- define "workers.sharedSettings" -}}
{{- pick .Values.settings "poolWaitMs" "webhookAllowPrivate" "webhookSecretOverlap" "reportTimezone" "reportLocation" "exportRowsPerSecond"
    "idempotencySweepIn" "orderAutoAccept" "orderReadyMinutes" "orderAnswerWithin" "orderOpenWindow" | toYaml -}}
{{- end }}

{{/* The variables of a worker: root, pool. */}}
{{- define "workers.env" -}}
{{- with .root -}}
- name: PORT
  value: "8080"
- name: ENABLE_METRICS
  value: {{ .Values.metrics.enabled | quote }}
- name: SHUTDOWN_TIMEOUT
  value: {{ .Values.workers.shutdownTimeoutSeconds | quote }}
- name: WORKER_POOL
  value: {{ $.pool.pool }}
{{- if kindIs "bool" .Values.workers.schedulerEnabled }}
- name: JOBS_SCHEDULER_ENABLED
  value: {{ .Values.workers.schedulerEnabled | quote }}
{{- end }}
{{- with $.pool.filter }}
- name: WORKER_PRIORITY_FILTER
  value: {{ join "," . | quote }}
{{- end }}
{{- include "food.variables" (dict "values" (include "workers.sharedSettings" . | fromYaml)) }}
{{- include "food.variables" (dict "values" .Values.jobs "prefix" "JOBS_") }}
{{- include "food.variables" (dict "values" .Values.workers.settings) }}
{{- include "food.objectStoreEnv" . }}
{{- end }}
{{- end }}

{{/* Seconds until a worker is killed: above those in which it ends its jobs or gives them back. */}}
{{- define "workers.gracePeriod" -}}
{{- $drain := .Values.workers.shutdownTimeoutSeconds | int -}}
{{- $grace := .Values.workers.terminationGracePeriodSeconds | default (add $drain 15) | int -}}
{{- if le $grace $drain -}}
{{- fail (printf "workers.terminationGracePeriodSeconds: %d is not above workers.shutdownTimeoutSeconds (%d): jobs would be cut off and run again" $grace $drain) -}}
{{- end -}}
{{- $grace -}}
{{- end }}

{{/* Connections of one worker: claims, ends, control, and those of the handlers. */}}
{{- define "workers.connections" -}}
{{- add (.Values.workers.settings.workerPoolSize | default 2 | int) 3 -}}
{{- end }}

{{/* Most pods of all pools at the same time, with one more of each in a roll-out. */}}
{{- define "workers.mostPods" -}}
{{- $most := 0 -}}
{{- range include "workers.pools" . | fromYamlArray -}}
{{- $most = add $most 1 (ternary .autoscaling.maxReplicas .replicas (ne .autoscaler "") | int) -}}
{{- end -}}
{{- $most -}}
{{- end }}

{{/* The priorities of a pool as labels of metrics, separated by `by`: pool, by. Empty: all. */}}
{{- define "workers.priorityLabels" -}}
{{- join .by .pool.filter | lower -}}
{{- end }}
