{{/*
A pod that asks the API, or the database: root, name, args; secret: that with the key of the order; role: that of the connection.
*/}}
{{- define "food.testPod" -}}
{{- $root := .root -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "shop.fullname" $root }}-test-{{ .name }}
  labels:
    {{- include "shop.labels" (dict "root" $root "component" "test" "suffix" "test") | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  restartPolicy: Never
  {{- include "shop.identity" $root | nindent 2 }}
  containers:
    - name: {{ .name }}
      image: {{ include "shop.image" (dict "root" $root "image" $root.Values.image) | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args:
        {{- toYaml .args | nindent 8 }}
      resources:
        requests:
          cpu: 10m
          memory: 16Mi
        limits:
          memory: 64Mi
      securityContext:
        {{- toYaml $root.Values.securityContext | nindent 8 }}
      terminationMessagePolicy: FallbackToLogsOnError
      {{- with .role }}
      env:
        {{- $own := printf "%s\n%s" (include "shop.env" (dict "root" $root "image" $root.Values.image "role" .)) (include "shop.hashKeyEnv" $root) }}
        {{- include "shop.mergeEnv" (dict "own" $own "extra" $root.Values.workers.extraEnv) | nindent 8 }}
      {{- with $root.Values.workers.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        {{- include "shop.databaseMount" (dict "root" $root "role" .) | nindent 8 }}
  volumes:
    {{- include "shop.databaseVolume" (dict "root" $root "role" .) | nindent 4 }}
      {{- end }}
      {{- with .secret }}
      volumeMounts:
        - name: api-key
          mountPath: /etc/order-food/api-key
          readOnly: true
  volumes:
    - name: api-key
      secret:
        secretName: {{ . }}
        defaultMode: 288 # 0440
        items:
          - key: {{ $root.Values.tests.order.key }}
            path: key
      {{- end }}
  {{- include "shop.scheduling" $root | nindent 2 }}
{{- end }}

{{- define "food.testUrl" -}}
{{- $host := .Values.service.clusterIP | default (include "shop.fullname" .) -}}
{{- printf "http://%s:%v" (eq $host "None" | ternary (include "shop.fullname" .) $host) .Values.service.port -}}
{{- end }}
