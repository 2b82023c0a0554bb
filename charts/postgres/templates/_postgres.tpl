{{- define "postgres.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{/* The name of the objects. A StatefulSet's name with a hash behind it is a label of its pods, so 52 characters are the most. */}}
{{- define "postgres.fullname" -}}
{{- $name := include "postgres.name" . -}}
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

{{- define "postgres.selectorLabels" -}}
app.kubernetes.io/name: {{ include "postgres.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels of an object: root, component; extra (a map) and suffix (for the name of test pods) if need be. */}}
{{- define "postgres.labels" -}}
{{- $labels := include "postgres.selectorLabels" .root | fromYaml -}}
{{- with .suffix -}}
{{- $_ := set $labels "app.kubernetes.io/name" (printf "%s-%s" (index $labels "app.kubernetes.io/name") .) -}}
{{- end -}}
{{- $_ := set $labels "app.kubernetes.io/component" .component -}}
{{- $_ := set $labels "app.kubernetes.io/part-of" "order-food" -}}
{{- $_ := set $labels "app.kubernetes.io/version" (.root.Chart.AppVersion | trunc 63) -}}
{{- $_ := set $labels "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63) -}}
{{- toYaml (merge $labels (.extra | default dict) .root.Values.commonLabels) -}}
{{- end }}

{{- define "postgres.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "postgres.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end }}

{{- define "postgres.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end }}

{{/* Where clients find the server. */}}
{{- define "postgres.host" -}}
{{- .Values.service.clusterIP | default (include "postgres.fullname" .) -}}
{{- end }}

{{- define "postgres.passwordSecret" -}}
{{- .Values.auth.existingSecret | default (printf "%s-password" (include "postgres.fullname" .)) -}}
{{- end }}

{{/* Who the pod is and where it runs: the same for server and test. */}}
{{- define "postgres.pod" -}}
serviceAccountName: {{ include "postgres.serviceAccountName" . }}
automountServiceAccountToken: {{ .Values.serviceAccount.automount }}
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
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
