{{/* What the Deployment computes from the values. */}}

{{- define "food.poolSize" -}}
{{- .Values.settings.poolSize | default 10 | int -}}
{{- end }}

{{/* Connections of one pod: for requests, two of the writer of orders, two of the refresher. */}}
{{- define "food.connections" -}}
{{- add (include "food.poolSize" . | int) 4 -}}
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

{{/* The settings that are given, as variables. */}}
{{- define "food.env" -}}
{{- $variables := list
  (list "poolSize" "POOL_SIZE")
  (list "poolWaitMs" "POOL_WAIT_MS")
  (list "httpWorkers" "HTTP_WORKERS")
  (list "orderDeadline" "ORDER_DEADLINE")
  (list "orderQueue" "ORDER_QUEUE")
  (list "waitTimeout" "WAIT_TIMEOUT")
  (list "refreshInterval" "REFRESH_INTERVAL")
  (list "readyGrace" "READY_GRACE")
  (list "snapshotMaxAge" "SNAPSHOT_MAX_AGE")
  (list "snapshotStale" "SNAPSHOT_STALE")
  (list "idempotencySweep" "IDEMPOTENCY_SWEEP")
  (list "bodyTimeout" "BODY_TIMEOUT")
  (list "corsAllowedOrigins" "CORS_ALLOWED_ORIGINS")
  (list "corsAllowCredentials" "CORS_ALLOW_CREDENTIALS")
  (list "corsAllowedHeaders" "CORS_ALLOWED_HEADERS")
  (list "traceHeaders" "TRACE_HEADERS")
  (list "trustedProxies" "TRUSTED_PROXIES")
  (list "rateLimitPerKey" "RATE_LIMIT_PER_KEY")
  (list "rateLimitPerKeyBurst" "RATE_LIMIT_PER_KEY_BURST")
  (list "rateLimitPerAddress" "RATE_LIMIT_PER_ADDRESS")
  (list "rateLimitPerAddressBurst" "RATE_LIMIT_PER_ADDRESS_BURST")
  (list "rateLimitTableSize" "RATE_LIMIT_TABLE_SIZE")
-}}
- name: PORT
  value: "8080"
- name: ENABLE_METRICS
  value: {{ .Values.metrics.enabled | quote }}
- name: DRAIN_WAIT
  value: {{ .Values.drain.waitSeconds | quote }}
- name: SHUTDOWN_TIMEOUT
  value: {{ .Values.drain.shutdownTimeoutSeconds | quote }}
{{- range $variables }}
{{- $value := index $.Values.settings (first .) }}
{{- if not (kindIs "invalid" $value) }}
- name: {{ last . }}
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

{{/*
How many pods to ask for; nothing under an autoscaler. But what a release once asked for, Helm would take away with the upgrade
that switches the autoscaler on, and Kubernetes would begin again at 1: from then on the number is what it is. An annotation on
the Deployment remembers that.
*/}}
{{- define "food.replicas" -}}
{{- if not .Values.autoscaling.enabled -}}
{{- .Values.replicaCount -}}
{{- else -}}
{{- $name := include "shop.fullname" . -}}
{{- $live := lookup "apps/v1" "Deployment" .Release.Namespace $name -}}
{{- if $live -}}
{{- $kept := dig "metadata" "annotations" "order-food/replicas" "" $live -}}
{{- if or $kept (not (lookup "autoscaling/v2" "HorizontalPodAutoscaler" .Release.Namespace $name)) -}}
{{- $live.spec.replicas | int -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
