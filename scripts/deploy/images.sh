# Builds the images and makes them known to the cluster; sourced by deploy.sh. Sets tag, repository (what stands before a service's
# name) and pull_policy.
# shellcheck shell=bash disable=SC2034,SC2154

# How the cluster of the context gets images: a word for `bring`.
image_route() {
  if [[ -n ${REGISTRY:-} ]]; then
    echo registry
  elif [[ -n ${IMAGE_LOADER:-} ]]; then
    echo loader
  else
    case $context in
      kind-*) echo kind ;;
      k3d-*) echo k3d ;;
      minikube | *minikube*) echo minikube ;;
      docker-desktop | orbstack | rancher-desktop) echo shared ;;
      *)
        # A profile of minikube may have any name; its nodes say what they are.
        [[ -n $(kubectl get nodes -l minikube.k8s.io/name -o name 2>/dev/null) ]] || return 1
        echo minikube
        ;;
    esac
  fi
}

# Says what is missing before anything is built.
check_images() {
  route=$(image_route) || fail "the context $context is neither minikube nor kind nor k3d: how do images get there?" \
    "type: make deploy REGISTRY=registry.example.com/shop, or IMAGE_LOADER=COMMAND, which is given their names"
  need docker "install it: https://docs.docker.com/engine/install"
  case $route in
    kind | k3d | minikube) need "$route" "the context $context belongs to it" ;;
  esac
}

# The git revision; with changes that no commit has, also what the images are, so that another image is another tag.
revision_tag() {
  tag=$REVISION
  if [[ $tag == *-dirty ]]; then
    local ids
    ids=$(docker image inspect --format '{{.Id}}' "${services[@]/%/:$REVISION}") || fail "the images of $REVISION are missing"
    tag+=-$(sha256sum <<<"$ids" | cut -c1-8)
  fi
}

prepare_images() {
  # shellcheck source=../images/source.sh
  . "$root/scripts/images/source.sh"
  [[ -n ${SKIP_BUILD:-} ]] || "$root/scripts/images/build.sh"
  revision_tag
  local service images=()
  repository=${REGISTRY:+${REGISTRY%/}/}
  for service in "${services[@]}"; do
    docker tag "$service:$REVISION" "$repository$service:$tag"
    images+=("$repository$service:$tag")
  done
  # What was brought there needs no pulling, and is missed at once if it is not there.
  pull_policy=Never
  case $route in
    registry)
      pull_policy=IfNotPresent
      for service in "${images[@]}"; do
        docker push --quiet "$service"
      done
      ;;
    loader) $IMAGE_LOADER "${images[@]}" ;;
    kind) kind load docker-image --name "${context#kind-}" "${images[@]}" ;;
    k3d) k3d image import --cluster "${context#k3d-}" "${images[@]}" ;;
    minikube) minikube --profile "$context" image load "${images[@]}" ;;
    shared) ;;
  esac
}
