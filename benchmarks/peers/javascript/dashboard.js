// The CloudWatch dashboard of the fleet.

const { Duration } = require('aws-cdk-lib');
const cloudwatch = require('aws-cdk-lib/aws-cloudwatch');

const PERIOD = Duration.minutes(1);
const HALF = 12;
const WHOLE = 24;
const { LINE, TABLE } = cloudwatch.LogQueryVisualizationType;

function addDashboard(scope, id, { environmentName, logGroup }) {
  const metric = (metricName, statistic, label) =>
    new cloudwatch.Metric({
      namespace: 'DeepLens',
      metricName,
      dimensionsMap: { Environment: environmentName },
      statistic,
      period: PERIOD,
      label,
    });
  const graph = (title, ...left) => new cloudwatch.GraphWidget({ title, left, width: HALF });
  const search = (title, dimensions, name, statistic) => {
    const what = `{DeepLens,${dimensions}} MetricName="${name}" Environment="${environmentName}"`;
    return graph(
      title,
      new cloudwatch.MathExpression({
        expression: `SEARCH('${what}', '${statistic}', ${PERIOD.toSeconds()})`,
        label: '',
        usingMetrics: {},
        period: PERIOD,
      }),
    );
  };
  const byThing = (title, name, statistic) => search(title, 'Environment,Thing', name, statistic);
  const logs = (title, view, width, ...queryLines) =>
    new cloudwatch.LogQueryWidget({
      title,
      logGroupNames: [logGroup.logGroupName],
      queryLines,
      view,
      width,
    });

  const dashboard = new cloudwatch.Dashboard(scope, id, { defaultInterval: Duration.hours(3) });
  dashboard.addWidgets(
    byThing('Frames per second', 'FramesPerSecond', 'Average'),
    graph(
      "Latency, frame to decision (ms): median and worst camera's p95",
      metric('LatencyP50', 'Average', 'p50, average of the cameras'),
      metric('LatencyP95', 'Maximum', 'p95, slowest camera'),
    ),
  );
  dashboard.addWidgets(
    search('Detections per label', 'Environment,Label', 'Detections', 'Sum'),
    logs(
      'Devices reporting',
      LINE,
      HALF,
      "filter kind = 'heartbeat'",
      'stats count_distinct(thing) as devices by bin(5m)',
    ),
  );
  dashboard.addWidgets(
    logs(
      'Model on each device',
      TABLE,
      WHOLE,
      "filter kind = 'heartbeat'",
      'stats latest(heartbeat.model.name) as model, latest(heartbeat.model.version) as version, ' +
        'latest(heartbeat.model.digest) as digest, latest(heartbeat.status) as status, ' +
        'latest(@timestamp) as last by thing',
    ),
  );
  dashboard.addWidgets(
    graph(
      'Errors, dropped and unreadable messages, failed deployments',
      metric('Errors', 'Sum', 'errors'),
      metric('DroppedMessages', 'Sum', 'dropped messages'),
      metric('UnreadableMessages', 'Sum', 'unreadable messages'),
      metric('FailedDeployments', 'Sum', 'failed deployments'),
    ),
    byThing('Spool fill (share of 1)', 'SpoolFill', 'Maximum'),
  );
  dashboard.addWidgets(
    byThing('Free disk (bytes)', 'DiskFree', 'Minimum'),
    byThing('Available memory (bytes)', 'MemoryAvailable', 'Minimum'),
  );
  dashboard.addWidgets(
    logs(
      'Newest errors',
      TABLE,
      WHOLE,
      "filter kind in ['error', 'dropped', 'unreadable', 'failed-deployment']",
      'fields @timestamp, thing, kind, coalesce(error.message, dropped.reason, reason) as why',
      'sort @timestamp desc',
      'limit 20',
    ),
  );
}

module.exports = { addDashboard };
