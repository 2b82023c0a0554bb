# One target for each service: docker build --target order-food -t order-food:latest .
# With BuildKit and without; the README says what else can be chosen.

ARG RUST_IMAGE=rust:1.95-bookworm
ARG DEBIAN_IMAGE=debian:bookworm-slim

# All manifests, and a stub for each crate root. This looks the same until one of them is added, removed or edited, and as
# long as it does, the next stage is not built again.
FROM ${RUST_IMAGE} AS manifests
WORKDIR /build
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock ! -name main.rs ! -name lib.rs ! -path '*/src/bin/*.rs' -delete \
    && find . -type d -empty -delete \
    && echo 'fn main() {}' >/tmp/stub.rs \
    && find . -name '*.rs' -exec cp /tmp/stub.rs {} ';'

FROM ${RUST_IMAGE} AS dependencies
WORKDIR /build
COPY --from=manifests /build .
RUN cargo build --release --locked -p database-migration -p database-load -p order-food

# One call builds all three, so that what they share is compiled once. `touch`: cargo goes by times, and a checkout can be
# older than the stubs. The last line keeps a second copy of what was compiled out of this layer.
FROM dependencies AS build
COPY crates crates
COPY database-migration database-migration
COPY database-load database-load
COPY order-food order-food
RUN find crates database-migration database-load order-food -name '*.rs' -exec touch {} + \
    && cargo build --release --frozen -p database-migration -p database-load -p order-food \
    && mkdir /programs \
    && mv target/release/database-migration target/release/database-load target/release/order-food /programs \
    && rm -rf target

# The root of the images: no shell, no package manager, just the C library that the programs are linked to, certificates,
# and a user. dpkg's paragraphs about the library let scanners see its version.
FROM ${DEBIAN_IMAGE} AS root
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /root-of-image
RUN dpkg --listfiles libc6 libgcc-s1 | grep -E '/(ld-linux[^/]*|libc|libm|libgcc_s)\.so\.[0-9]+$' \
        | xargs cp --parents --dereference --target-directory . \
    && mkdir -p etc/ssl/certs usr/local/bin var/lib/dpkg/status.d \
    && cp --dereference /etc/os-release etc/ \
    && for package in libc6 libgcc-s1; do \
        dpkg-query --status "$package" >"var/lib/dpkg/status.d/$package"; \
        if [ -e "/usr/share/doc/$package/copyright" ]; then \
            cp --parents --dereference "/usr/share/doc/$package/copyright" .; \
        fi; \
    done \
    && echo 'hosts: files dns' >etc/nsswitch.conf \
    && printf '%s\n' 'root:x:0:0::/:/sbin/nologin' 'order-food:x:10001:10001::/:/sbin/nologin' >etc/passwd \
    && printf '%s\n' 'root:x:0:' 'order-food:x:10001:' >etc/group \
    && mkdir -m 1777 tmp
COPY --from=manifests /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/
# The same bytes wherever and whenever they are put together.
RUN find . -exec touch --no-dereference --date @0 {} +

# What differs from image to image, each as a tree with its folders, so that their times are set, too. Data must be readable
# whatever the umask of the checkout was.
FROM ${DEBIAN_IMAGE} AS files
WORKDIR /files
COPY --from=build /programs/database-migration database-migration/usr/local/bin/
COPY --from=build /programs/database-load database-load/usr/local/bin/
COPY --from=build /programs/order-food order-food/usr/local/bin/
COPY database-load/data database-load/usr/share/order-food/data
ARG SOURCE_DATE_EPOCH
RUN chmod -R u=rwX,go=rX . \
    && if [ -n "$SOURCE_DATE_EPOCH" ]; then find . -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +; fi

FROM scratch AS base
COPY --from=root /root-of-image /
ARG VERSION=0.1.0
ARG REVISION
ARG SOURCE
LABEL org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.revision=${REVISION} \
      org.opencontainers.image.source=${SOURCE} \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
ENV PATH=/usr/local/bin
USER 10001:10001

FROM base AS database-migration
LABEL org.opencontainers.image.title=database-migration
COPY --from=files /files/database-migration /
ENTRYPOINT ["/usr/local/bin/database-migration"]

FROM base AS database-load
LABEL org.opencontainers.image.title=database-load
COPY --from=files /files/database-load /
ENTRYPOINT ["/usr/local/bin/database-load"]

FROM base AS order-food
LABEL org.opencontainers.image.title=order-food
COPY --from=files /files/order-food /
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 CMD ["/usr/local/bin/order-food", "health"]
ENTRYPOINT ["/usr/local/bin/order-food"]
