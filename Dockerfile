# twill's agent, and what pods on its host need. Builds with the legacy builder too.
#
#   docker build -t twill .       # --build-arg BASE="$TWILL_BASE" with a base of one's own
#   docker run -d --name twill --network host --cap-add NET_ADMIN --device /dev/net/tun \
#     -v /var/lib/twill:/var/lib/twill -v /run/flannel:/run/flannel -v /run/twill:/run/twill \
#     twill agent --etcd-endpoints=http://192.0.2.254:2379
#
# BASE needs Debian, Node.js 22.22 or newer and npm; scripts/local-base-image makes one where no registry can be reached.
ARG BASE=node:24-bookworm-slim

FROM ${BASE} AS build
# The legacy builder leaves this stage without a name; by its label `docker image prune` finds it.
LABEL org.opencontainers.image.title="twill"
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
	&& apt-get install -y --no-install-recommends gcc libc6-dev linux-libc-dev containernetworking-plugins \
	&& rm -rf /var/lib/apt/lists/* /var/cache/apt/*
WORKDIR /opt/twill
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier
COPY native native
COPY scripts/build-native scripts/
# The script goes on without the native engine, for hosts without its compiler; an image must not.
RUN scripts/build-native && test -e build/twill_engine.node && rm -r node_modules/node-api-headers native scripts
COPY bin bin
COPY src src
COPY scripts/node-path.sh scripts/fill-compile-cache.mjs scripts/
RUN . scripts/node-path.sh && node $TWILL_NODE_FLAGS scripts/fill-compile-cache.mjs
# What pods are attached with, of the 45 MB that the package has.
RUN mkdir -p /cni/lib /cni/doc \
	&& cd /usr/lib/cni && cp -a bridge host-local loopback portmap ptp /cni/lib/ \
	&& cp -a /usr/share/doc/containernetworking-plugins/copyright /cni/doc/

FROM ${BASE}
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
	&& apt-get install -y --no-install-recommends iproute2 iptables nftables ethtool iputils-ping iperf3 \
	&& rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY --from=build /cni/lib /usr/lib/cni
COPY --from=build /cni/doc /usr/share/doc/containernetworking-plugins
COPY --from=build /opt/twill /opt/twill
COPY LICENSE /opt/twill/
RUN mkdir -p /opt/cni/bin \
	&& ln -s /opt/twill/bin/twill /opt/twill/bin/twill-cni /usr/local/bin/ \
	&& ln -s /opt/twill/bin/twill-cni /opt/cni/bin/

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="twill" \
	org.opencontainers.image.description="Overlay network for hosts that run containers, compatible with flannel" \
	org.opencontainers.image.licenses="Apache-2.0" \
	org.opencontainers.image.version="${VERSION}" \
	org.opencontainers.image.revision="${REVISION}"

# Healthy is ready: lease held, every peer in place, etcd heard of. Docker itself only shows it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
	CMD twill status | awk '$1 == "ready" { print; isReady = $2 == "yes" } END { exit !isReady }'
STOPSIGNAL SIGTERM
ENTRYPOINT ["twill"]
CMD ["agent"]
