{{/* Names, labels, pods and objects that all charts share. */}}

{{- define "shop.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{/*
The name of the objects, at most 52 characters: Kubernetes appends up to 11 to the names of CronJobs, and a hash to those of
StatefulSets, where the result is a label. The checksum keeps shortened names apart.
*/}}
{{- define "shop.fullname" -}}
{{- $name := include "shop.name" . -}}
{{- $full := printf "%s-%s" .Release.Name $name -}}
{{- if contains $name .Release.Name -}}
{{- $full = .Release.Name -}}
{{- end -}}
{{- $full = .Values.fullnameOverride | default $full | replace "." "-" -}}
{{- if gt (len $full) 52 -}}
{{- printf "%s-%s" ($full | trunc 43 | trimSuffix "-") ($full | sha256sum | trunc 8) -}}
{{- else -}}
{{- $full -}}
{{- end -}}
{{- end }}

{{/* Labels that never change during the life of a release; those of test pods have a name of their own. */}}
{{- define "shop.selectorLabels" -}}
app.kubernetes.io/name: {{ include "shop.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels of an object: root, component; extra (a map) and suffix (for the name of other pods than the chart's main ones) if need be. */}}
{{- define "shop.labels" -}}
{{- $labels := include "shop.selectorLabels" .root | fromYaml -}}
{{- with .suffix -}}
{{- $_ := set $labels "app.kubernetes.io/name" (printf "%s-%s" (index $labels "app.kubernetes.io/name") . | trunc 63 | trimSuffix "-") -}}
{{- end -}}
{{- $_ := set $labels "app.kubernetes.io/component" .component -}}
{{- $_ := set $labels "app.kubernetes.io/part-of" "order-food" -}}
{{- $_ := set $labels "app.kubernetes.io/version" (.root.Chart.AppVersion | trunc 63) -}}
{{- $_ := set $labels "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63) -}}
{{- toYaml (merge $labels (.extra | default dict) .root.Values.commonLabels) -}}
{{- end }}

{{- define "shop.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "shop.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end }}

{{/* A digest goes before the tag, the chart's appVersion stands in for both: root, image. */}}
{{- define "shop.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{/* The programs read the name in the same way. */}}
{{- define "shop.production" -}}
{{- $name := .Values.environment | trim | lower -}}
{{- if has $name (list "prod" "production") }}yes
{{- else if hasPrefix "prod" $name -}}
{{- fail (printf "environment: %q begins with prod and is neither prod nor production: write one of them, or another name" .Values.environment) -}}
{{- end -}}
{{- end }}

{{/* The Secret with the database's URLs: that of `database.url`, or an existing one. */}}
{{- define "shop.databaseSecret" -}}
{{- if .Values.database.url -}}
{{- if include "shop.production" . -}}
{{- fail "database.url: not in production, where a values file is no place for a password: create a Secret and name it in database.existingSecret" -}}
{{- end -}}
{{- printf "%s-inline" (include "shop.fullname" .) -}}
{{- else -}}
{{- .Values.database.existingSecret | required "database: no database is named: set database.existingSecret to the name of a Secret that holds its URL, or, for development, database.url" -}}
{{- end -}}
{{- end }}

{{/* The key of that Secret which holds the URL of a role: root, role (migrator, loader, app). */}}
{{- define "shop.databaseKey" -}}
{{- $keys := .root.Values.database.keys -}}
{{- if .root.Values.database.url }}url{{ else }}{{ index $keys .role | default $keys.url }}{{ end -}}
{{- end }}

{{/* The key with the URL past a pooler: root, role (none: no such key). A role with a URL of its own keeps to that; the API has both. */}}
{{- define "shop.databaseDirectKey" -}}
{{- $keys := .root.Values.database.keys -}}
{{- if and .role $keys.direct (not .root.Values.database.url) (or (eq .role "app") (not (index $keys .role))) }}{{ $keys.direct }}{{ end -}}
{{- end }}

{{/* The key with the URL of a standby, for the API alone: root, role. */}}
{{- define "shop.databaseReadKey" -}}
{{- $keys := .root.Values.database.keys -}}
{{- if and (eq (.role | default "") "app") $keys.read (not .root.Values.database.url) }}{{ $keys.read }}{{ end -}}
{{- end }}

{{/* The URL comes as a file: it is read again for each connection, so that a new password needs no restart. */}}
{{- define "shop.databaseVolume" -}}
- name: database-{{ .role }}
  secret:
    secretName: {{ include "shop.databaseSecret" .root }}
    defaultMode: 288 # 0440
    items:
      - key: {{ include "shop.databaseKey" . }}
        path: url
{{- with include "shop.databaseDirectKey" . }}
      - key: {{ . }}
        path: direct-url
{{- end }}
{{- with include "shop.databaseReadKey" . }}
      - key: {{ . }}
        path: read-url
{{- end }}
{{- end }}

{{- define "shop.databaseMount" -}}
- name: database-{{ .role }}
  mountPath: /etc/order-food/database
  readOnly: true
{{- end }}

{{/* Under which secret API keys are hashed. Outside production the services have one that everybody knows. */}}
{{- define "shop.hashKeyEnv" -}}
- name: API_KEY_HASH_KEY
  valueFrom:
    secretKeyRef:
{{- if .Values.apiKeyHashKey.value }}
{{- if include "shop.production" . }}
{{- fail "apiKeyHashKey.value: not in production: create a Secret and name it in apiKeyHashKey.existingSecret" }}
{{- end }}
      name: {{ include "shop.fullname" . }}-inline
      key: api-key-hash-key
{{- else }}
      name: {{ .Values.apiKeyHashKey.existingSecret | required "apiKeyHashKey: no secret is named: set apiKeyHashKey.existingSecret to the name of a Secret, or, for development, apiKeyHashKey.value" }}
      key: {{ .Values.apiKeyHashKey.key }}
      optional: {{ not (include "shop.production" .) }}
{{- end }}
{{- end }}

{{/* What every container is told: root, image, role, and what starts a run that ends by itself: trigger. */}}
{{- define "shop.env" -}}
- name: DATABASE_URL_FILE
  value: /etc/order-food/database/url
{{- if include "shop.databaseDirectKey" . }}
- name: DATABASE_DIRECT_URL_FILE
  value: /etc/order-food/database/direct-url
{{- end }}
{{- if include "shop.databaseReadKey" . }}
- name: READ_DATABASE_URL_FILE
  value: /etc/order-food/database/read-url
{{- end }}
{{- if eq (.root.Values.database.auth | default "password") "azure" }}
- name: DB_AUTH
  value: azure
{{- with .root.Values.database.azure }}
{{- $variables := dict "clientId" "AZURE_CLIENT_ID" "tenantId" "AZURE_TENANT_ID" "authorityHost" "AZURE_AUTHORITY_HOST" "federatedTokenFile" "AZURE_FEDERATED_TOKEN_FILE" "identityEndpoint" "IDENTITY_ENDPOINT" "imdsEndpoint" "AZURE_IMDS_ENDPOINT" "audience" "DB_AZURE_AUDIENCE" }}
{{- range $name, $variable := $variables }}
{{- with index $.root.Values.database.azure $name }}
- name: {{ $variable }}
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- with .identityHeaderSecret }}
- name: IDENTITY_HEADER
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: identity-header
{{- end }}
{{- end }}
{{- end }}
{{- with .root.Values.database.passwordFile }}
- name: DB_PASSWORD_FILE
  value: {{ . | quote }}
{{- end }}
- name: ENVIRONMENT
  value: {{ .root.Values.environment | quote }}
- name: SERVICE_VERSION
  value: {{ .image.tag | default .root.Chart.AppVersion | quote }}
{{- with .trigger }}
- name: RUN_TRIGGER
  value: {{ . }}
{{- end }}
- name: POD_UID
  valueFrom:
    fieldRef:
      fieldPath: metadata.uid
- name: JAEGER_ENDPOINT
  value: {{ .root.Values.telemetry.endpoint | quote }}
{{- with .root.Values.telemetry.sampler }}
- name: OTEL_TRACES_SAMPLER
  value: {{ . | quote }}
{{- end }}
{{- with .root.Values.telemetry.samplerArg }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ . | quote }}
{{- end }}
- name: LOG_FORMAT
  value: json
{{- with .root.Values.logLevel }}
- name: LOG_LEVEL
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{/*
Of containers that run once and are no init containers, which take no probes: whether the run hangs, which the program tells by a
file. Takes the program's name.
*/}}
{{- define "shop.aliveProbe" -}}
livenessProbe:
  exec:
    command: [/usr/local/bin/{{ . }}, alive]
  periodSeconds: 30
  timeoutSeconds: 10
  failureThreshold: 3
{{- end }}

{{- define "shop.aliveEnv" -}}
- name: ALIVE_FILE
  value: /tmp/alive
{{- end }}

{{/* The chart's variables but for those that are in `extra`, then these: own (YAML), extra (a list). */}}
{{- define "shop.mergeEnv" -}}
{{- $named := list -}}
{{- range .extra }}{{ $named = append $named .name }}{{ end -}}
{{- $env := list -}}
{{- range fromYamlArray .own }}{{ if not (has .name $named) }}{{ $env = append $env . }}{{ end }}{{ end -}}
{{- toYaml (concat $env .extra) -}}
{{- end }}

{{/* The arguments with `--timeout`, unless they have it: args, timeoutSeconds. */}}
{{- define "shop.args" -}}
{{- $args := .args -}}
{{- if not (regexMatch "(^| )--timeout( |=|$)" (join " " $args)) -}}
{{- $args = append $args (printf "--timeout=%v" (int .timeoutSeconds)) -}}
{{- end -}}
{{- toYaml $args -}}
{{- end }}

{{/* The end of each pod's spec: where it may run. */}}
{{- define "shop.scheduling" -}}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The beginning of each pod's spec: its identity. */}}
{{- define "shop.identity" -}}
serviceAccountName: {{ include "shop.serviceAccountName" . }}
automountServiceAccountToken: {{ .Values.serviceAccount.automount }}
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- end }}

{{/* Objects that are the same in each chart. */}}
{{- define "shop.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "shop.serviceAccountName" . }}
  labels:
    {{- include "shop.labels" (dict "root" . "component" "identity") | nindent 4 }}
  {{- with .Values.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: {{ .Values.serviceAccount.automount }}
{{- end }}
{{- end }}

{{/* Passwords of the values, which are for development only. */}}
{{- define "shop.inlineSecret" -}}
{{- if or .Values.database.url (dig "apiKeyHashKey" "value" "" .Values.AsMap) }}
apiVersion: v1
kind: Secret
metadata:
  name: {{ include "shop.fullname" . }}-inline
  labels:
    {{- include "shop.labels" (dict "root" . "component" "database") | nindent 4 }}
type: Opaque
stringData:
  {{- with .Values.database.url }}
  url: {{ . | quote }}
  {{- end }}
  {{- with dig "apiKeyHashKey" "value" "" .Values.AsMap }}
  api-key-hash-key: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{/* For pods that answer nobody: none may connect to them, and they reach DNS, database, telemetry and `extraEgress`. */}}
{{- define "shop.networkPolicy" -}}
{{- with .Values.networkPolicy }}
{{- if .enabled }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "shop.fullname" $ }}
  labels:
    {{- include "shop.labels" (dict "root" $ "component" "network") | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "shop.selectorLabels" $ | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress: []
  egress:
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
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- if eq ($.Values.database.auth | default "password") "azure" }}
    # Tokens of the identity.
    - ports:
        - port: 443
          protocol: TCP
    {{- end }}
    {{- if ne $.Values.telemetry.endpoint "none" }}
    - ports:
        - port: {{ .telemetryPort }}
          protocol: TCP
    {{- end }}
    {{- with .extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "shop.extraObjects" -}}
{{- range .Values.extraObjects }}
---
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end }}
