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

{{/* The settings that are given, as variables: poolWaitMs is POOL_WAIT_MS. */}}
{{- define "food.env" -}}
- name: PORT
  value: "8080"
- name: ENABLE_METRICS
  value: {{ .Values.metrics.enabled | quote }}
- name: DRAIN_WAIT
  value: {{ .Values.drain.waitSeconds | quote }}
- name: SHUTDOWN_TIMEOUT
  value: {{ .Values.drain.shutdownTimeoutSeconds | quote }}
{{- range $name, $value := .Values.settings }}
{{- if not (kindIs "invalid" $value) }}
- name: {{ $name | snakecase | upper }}
  {{- if kindIs "slice" $value }}
  value: {{ join "," $value | quote }}
  {{- else if kindIs "float64" $value }}
  value: {{ int64 $value | quote }}
  {{- else }}
  value: {{ $value | quote }}
  {{- end }}
{{- end }}
{{- end }}
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
