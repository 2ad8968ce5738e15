# Builds dist/ from the sources only. local/ and test/ are not in the build context.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# The build needs no install scripts of dependencies.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json index.ts ./
COPY scripts/build.js scripts/build.js
COPY src src
COPY plugins plugins
COPY routes routes
RUN npm run build

FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
# 17 MB that only DATABASE_AUTH=rds-iam needs: docker build --build-arg RDS_IAM=true .
ARG RDS_IAM=false
RUN if [ "$RDS_IAM" = true ]; then \
    version=$(node -p 'require("./package-lock.json").packages["node_modules/@aws-sdk/rds-signer"].version') && \
    npm install --no-save --omit=dev --ignore-scripts --no-audit --no-fund "@aws-sdk/rds-signer@$version"; fi
# true: with what docs/tracing.md needs, in the versions of package.json.
ARG TRACING=false
RUN [ "$TRACING" != true ] || npm install --no-save --omit=dev --ignore-scripts --no-audit --no-fund \
  $(node -p "Object.entries(require('./package.json').peerDependencies) \
    .filter(([name]) => /otel|opentelemetry/.test(name)).map((pair) => pair.join('@')).join(' ')")

FROM node:24-slim
# psql, for the runbook of docs/operations.md.
RUN apt-get update && apt-get install --yes --no-install-recommends postgresql-client \
  && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production
# The times that psql prints and compares are in UTC, as in the table.
ENV PGTZ=UTC
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist/index.js dist/index.js
COPY --from=build /app/dist/src dist/src
COPY --from=build /app/dist/bundle dist/bundle
COPY --from=build /app/dist/plugins dist/plugins
COPY --from=build /app/dist/routes dist/routes
COPY package.json ./
COPY deploy/image /usr/local/bin
# The files belong to root, so the server cannot change its own code.
USER node
EXPOSE 3000
# Checks liveness, not readiness, because restarting the server does not repair a database.
HEALTHCHECK --interval=10s --timeout=4s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/health/live`, { signal: AbortSignal.timeout(3000) }).then((reply) => process.exit(reply.ok ? 0 : 1), () => process.exit(1))"]
# Node is process 1 and handles the signal. It drains for 5 s and exits after 20 s at the latest.
STOPSIGNAL SIGTERM
CMD ["node", "dist/src/server.js"]
