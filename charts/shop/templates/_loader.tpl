{{/*
The container of database-load, in Job and CronJob as in the pod of order-food.
Everything takes: root, loader (the values that say what is loaded and how), name (of this use: the key of its profile), and,
if need be, trigger (what starts the run) and alive (whether it is probed).
*/}}

{{- define "loader.container" -}}
{{- $root := .root -}}
{{- $name := .name -}}
{{- with .loader -}}
- name: database-load
  image: {{ include "shop.image" (dict "root" $root "image" .image) | quote }}
  imagePullPolicy: {{ .image.pullPolicy }}
  args:
    {{- include "shop.args" . | nindent 4 }}
  env:
    {{- $own := printf "%s\n%s\n%s" (include "shop.env" (dict "root" $root "image" .image "role" "loader" "trigger" $.trigger)) (include "shop.hashKeyEnv" $root) (include "loader.env" .) -}}
    {{- if $.alive }}{{ $own = printf "%s\n%s" $own (include "shop.aliveEnv" .) }}{{ end -}}
    {{- include "shop.mergeEnv" (dict "own" $own "extra" .extraEnv) | nindent 4 }}
  {{- with .extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  resources:
    {{- toYaml .resources | nindent 4 }}
  securityContext:
    {{- toYaml $root.Values.securityContext | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError
  {{- if $.alive }}
  {{- include "shop.aliveProbe" "database-load" | nindent 2 }}
  {{- end }}
  volumeMounts:
    {{- include "shop.databaseMount" (dict "root" $root "role" "loader") | nindent 4 }}
    - name: load-temp
      mountPath: /tmp
    {{- if include "loader.profile" . }}
    - name: load-profile
      mountPath: /etc/order-food/sources
      readOnly: true
    {{- end }}
    {{- range .sources }}
    {{- if not .url }}
    - name: source-{{ .name }}
      mountPath: /data/{{ .name }}
      readOnly: true
    {{- end }}
    {{- end }}
    {{- with .volumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}

{{/* Takes the loader's values alone. */}}
{{- define "loader.env" -}}
{{- $profiles := .profiles -}}
{{- if include "loader.profile" . -}}
{{- $profiles = append $profiles "/etc/order-food/sources/sources.toml" -}}
{{- end -}}
- name: PROFILES
  value: {{ join "," $profiles | required "profiles: nothing to load: name at least one profile, or give sources with a dataset" | quote }}
- name: ON_UNREACHABLE
  value: {{ .onUnreachable }}
- name: TMPDIR
  value: /tmp
{{- end }}

{{- define "loader.volumes" -}}
{{ include "shop.databaseVolume" (dict "root" .root "role" "loader") }}
- name: load-temp
  emptyDir:
    {{- toYaml .loader.tempDir | nindent 4 }}
{{- if include "loader.profile" .loader }}
- name: load-profile
  configMap:
    name: {{ include "shop.fullname" .root }}-sources
    items:
      - key: {{ .name }}.toml
        path: sources.toml
{{- end }}
{{- range .loader.sources }}
{{- if .configMap }}
- name: source-{{ .name }}
  configMap:
    {{- toYaml .configMap | nindent 4 }}
{{- else if .volume }}
- name: source-{{ .name }}
  {{- toYaml .volume | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* The profile that the sources with a dataset make, if there are any. Takes the loader's values alone. */}}
{{- define "loader.profile" -}}
{{- $datasets := dict -}}
{{- $minFiles := 0 -}}
{{- range .sources -}}
{{- if .dataset -}}
{{- $location := .url | default (printf "/data/%s/%s" .name (.path | default "")) -}}
{{- $source := printf "{ location = %s" ($location | toJson) -}}
{{- with .format }}{{ $source = printf "%s, format = %s" $source (toJson .) }}{{ end -}}
{{- with .sha256 }}{{ $source = printf "%s, sha256 = %s" $source (toJson .) }}{{ end -}}
{{- $_ := set $datasets .dataset (append (get $datasets .dataset | default list) (printf "%s }" $source)) -}}
{{- $minFiles = .minFiles | default $minFiles -}}
{{- end -}}
{{- end -}}
{{- if $datasets -}}
description = "the sources of the chart's values"
{{- range $dataset := list "products" "users" "promotions" "coupon_codes" "orders" }}
{{- with get $datasets $dataset }}

[operations.{{ $dataset }}]
sources = [{{ join ", " . }}]
{{- if eq $dataset "users" }}
{{- with get $datasets "api_keys" }}
api_keys = [{{ join ", " . }}]
{{- end }}
{{- end }}
{{- if and (eq $dataset "coupon_codes") $minFiles }}
min_files = {{ $minFiles }}
{{- end }}
{{- end }}
{{- end }}
{{ end -}}
{{- end }}
