// Metrics, logs, alarms and the dashboard of the cameras.

const { CfnOutput, Duration, RemovalPolicy, Stack } = require('aws-cdk-lib');
const cloudwatch = require('aws-cdk-lib/aws-cloudwatch');
const { SnsAction } = require('aws-cdk-lib/aws-cloudwatch-actions');
const events = require('aws-cdk-lib/aws-events');
const iam = require('aws-cdk-lib/aws-iam');
const iot = require('aws-cdk-lib/aws-iot');
const kms = require('aws-cdk-lib/aws-kms');
const { CfnPermission } = require('aws-cdk-lib/aws-lambda');
const sns = require('aws-cdk-lib/aws-sns');
const { EmailSubscription } = require('aws-cdk-lib/aws-sns-subscriptions');
const sqs = require('aws-cdk-lib/aws-sqs');
const { addDashboard } = require('./dashboard');
const lambda = require('./lambda');

const MINUTE = Duration.minutes(1);
const { BREACHING, NOT_BREACHING } = cloudwatch.TreatMissingData;
const { GREATER_THAN_THRESHOLD, LESS_THAN_THRESHOLD } = cloudwatch.ComparisonOperator;

class MonitoringStack extends Stack {
  constructor(scope, id, { environment }) {
    const { name, monitoring } = environment;
    super(scope, id, { description: `DeepLens ${name}: metrics, logs and alarms` });
    this.environmentName = name;

    this.logGroup = lambda.functionLog(this, 'MetricsLog', monitoring.log_retention_days);
    this.fn = this.addFunction();
    this.addRules(environment);
    this.undeliveredEvents = this.listenToDeployments();
    this.topic = this.addTopic(monitoring.notify);
    this.addAlarms(environment);
    addDashboard(this, 'PageDashboard', { environmentName: name, logGroup: this.logGroup });

    new CfnOutput(this, 'AlarmTopicArn', { value: this.topic.topicArn });
    new CfnOutput(this, 'LogGroupName', { value: this.logGroup.logGroupName });
  }

  addFunction() {
    const readDeployments = new iam.PolicyStatement({
      sid: 'ReadOwnersOfDeployments',
      actions: ['greengrass:ListTagsForResource'],
      resources: [this.formatArn({ service: 'greengrass', resource: 'deployments:*' })],
    });
    return lambda.pythonFunction(this, 'MetricsFunction', {
      folder: 'fleet_metrics',
      description: 'Writes messages of cameras as metrics and logs',
      handler: 'fleet_metrics.handler',
      timeout: Duration.seconds(10),
      memorySize: 128,
      role: lambda.lambdaRole(this, 'MetricsRole', {
        logGroup: this.logGroup,
        statements: [readDeployments],
      }),
      logGroup: this.logGroup,
      environment: {
        DEEPLENS_ENVIRONMENT: this.environmentName,
        DEEPLENS_RELEASE_STACK: `${this.environmentName}-Inference`,
      },
    });
  }

  addRules({ name, inference, monitoring }) {
    const days = monitoring.log_retention_days;
    const undelivered = lambda.functionLog(this, 'MetricsUndelivered', days);
    const role = this.undeliveredRole(undelivered);
    const level = inference.topic.split('/').indexOf('{thing}') + 1;
    const thing = level ? `topic(${level}) AS thing` : 'thing';
    const members = 'id, model, frame, inference_ms, detections, error, dropped';
    const topicFilter = inference.topic.replaceAll('{thing}', '+');
    this.addRule('messages', {
      sql: `SELECT ${members}, ${thing} FROM '${topicFilter}'`,
      undelivered,
      role,
    });
    this.addRule('heartbeats', {
      sql:
        'SELECT state.reported AS heartbeat, topic(3) AS thing ' +
        "FROM '$aws/things/+/shadow/name/deeplens/update/accepted' " +
        `WHERE regexp_matches(state.reported.function, 'function:deeplens-${name}-inference:')`,
      undelivered,
      role,
    });
  }

  addRule(what, { sql, undelivered, role }) {
    const id = what[0].toUpperCase() + what.slice(1);
    const rule = new iot.CfnTopicRule(this, `Metrics${id}`, {
      ruleName: this.ruleName(what),
      topicRulePayload: {
        description: `DeepLens ${this.environmentName}: ${what} to metrics and logs`,
        sql,
        awsIotSqlVersion: '2016-03-23',
        ruleDisabled: false,
        actions: [{ lambda: { functionArn: this.fn.functionArn } }],
        errorAction: {
          cloudwatchLogs: { logGroupName: undelivered.logGroupName, roleArn: role.roleArn },
        },
      },
    });
    this.permit(`Metrics${id}MayCall`, 'iot.amazonaws.com', rule.attrArn);
  }

  ruleName(what) {
    return `deeplens_${this.environmentName}_${what}`.replaceAll('-', '_');
  }

  undeliveredRole(logGroup) {
    const write = new iam.PolicyStatement({
      sid: 'WriteUndelivered',
      actions: ['logs:CreateLogStream', 'logs:DescribeLogStreams', 'logs:PutLogEvents'],
      resources: [logGroup.logGroupArn],
    });
    const rules = this.formatArn({
      service: 'iot',
      resource: 'rule',
      resourceName: this.ruleName('*'),
    });
    return new iam.Role(this, 'MetricsUndeliveredRole', {
      assumedBy: lambda.servicePrincipal(this, 'iot.amazonaws.com', rules),
      managedPolicies: [
        new iam.ManagedPolicy(this, 'MetricsWriteUndelivered', { statements: [write] }),
      ],
    });
  }

  listenToDeployments() {
    const queue = new sqs.Queue(this, 'MetricsUndeliveredEventsQueue', {
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    const rule = new events.CfnRule(this, 'MetricsFailedDeployments', {
      description: `DeepLens ${this.environmentName}: deployments that failed on a device`,
      eventPattern: {
        source: ['aws.greengrass'],
        'detail-type': ['Greengrass V2 Effective Deployment Status Change'],
        detail: { coreDeviceExecutionStatus: ['FAILED', 'REJECTED'] },
      },
      targets: [
        {
          id: 'Metrics',
          arn: this.fn.functionArn,
          deadLetterConfig: { arn: queue.queueArn },
        },
      ],
    });
    queue.addToResourcePolicy(
      new iam.PolicyStatement({
        sid: 'UndeliveredEventsOfOneRule',
        principals: [new iam.ServicePrincipal('events.amazonaws.com')],
        actions: ['sqs:SendMessage'],
        resources: [queue.queueArn],
        conditions: { ArnEquals: { 'aws:SourceArn': rule.attrArn } },
      }),
    );
    this.permit('MetricsEventsMayCall', 'events.amazonaws.com', rule.attrArn);
    return queue;
  }

  permit(id, service, sourceArn) {
    new CfnPermission(this, id, {
      action: 'lambda:InvokeFunction',
      functionName: this.fn.functionArn,
      principal: service,
      sourceArn,
    });
  }

  addTopic(notify) {
    const cloudWatch = new iam.ServicePrincipal('cloudwatch.amazonaws.com');
    const key = new kms.Key(this, 'AlarmsKey', {
      description: 'Notifications of alarms',
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.DESTROY,
      pendingWindow: Duration.days(7),
    });
    key.addToResourcePolicy(
      new iam.PolicyStatement({
        sid: 'AlarmsUseKey',
        principals: [cloudWatch],
        actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
        resources: ['*'],
      }),
    );
    const topic = new sns.Topic(this, 'AlarmsTopic', { masterKey: key, enforceSSL: true });
    const alarms = this.formatArn({ service: 'cloudwatch', resource: 'alarm:*' });
    topic.addToResourcePolicy(
      new iam.PolicyStatement({
        sid: 'AlarmsPublish',
        principals: [cloudWatch],
        actions: ['sns:Publish'],
        resources: [topic.topicArn],
        conditions: {
          StringEquals: { 'aws:SourceAccount': this.account },
          ArnLike: { 'aws:SourceArn': alarms },
        },
      }),
    );
    for (const address of notify) {
      topic.addSubscription(new EmailSubscription(address));
    }
    return topic;
  }

  addAlarms({ fleet, monitoring }) {
    const minutes = monitoring.no_heartbeat_minutes;
    const percent = (share) => `${Math.round(share * 100)}%`;
    this.silence(
      'FleetNoHeartbeat',
      `no camera of the fleet sent a heartbeat for ${minutes} min`,
      {},
      minutes,
    );
    for (const thing of fleet.things) {
      this.silence(
        `FleetNoHeartbeat-${thing}`,
        `camera ${thing} sent no heartbeat for ${minutes} min`,
        { Thing: thing },
        minutes,
      );
    }
    this.above(
      'FleetLatency',
      `95 of 100 frames of some camera took up to more than ${monitoring.latency_p95_ms} ms`,
      this.metric('LatencyP95', 'Maximum'),
      monitoring.latency_p95_ms,
    );
    this.above(
      'FleetFailing',
      `more than ${percent(monitoring.failing_share)} of the heartbeats report a failing camera`,
      this.metric('Failing', 'Average'),
      monitoring.failing_share,
    );
    this.above(
      'FleetSpoolFill',
      `some camera's spool is more than ${percent(monitoring.spool_fill_share)} full`,
      this.metric('SpoolFill', 'Maximum'),
      monitoring.spool_fill_share,
    );
    this.below(
      'FleetDiskFree',
      `some camera has less than ${monitoring.free_disk_mib} MiB of free disk: the download of ` +
        'the next release can fail',
      this.metric('DiskFree', 'Minimum'),
      monitoring.free_disk_mib * 1024 * 1024,
    );
    this.once(
      'FleetFailedDeployment',
      'a deployment failed on some camera',
      this.metric('FailedDeployments', 'Sum'),
    );
    this.once(
      'FleetUnverifiedRollback',
      "a rollback is deployed, and devices do not run it; the project's status, its log and " +
        '`deeplens fleet releases` name them',
      this.metric('UnverifiedRollbacks', 'Sum'),
    );
    this.once(
      'FleetMetricsFunction',
      'messages of cameras are not counted: the function that writes the metrics fails',
      this.fn.metricErrors({ period: MINUTE, statistic: 'Sum' }),
    );
    this.once(
      'FleetUndeliveredEvents',
      'EventBridge could not deliver a failed deployment: its dead-letter queue has messages',
      this.undeliveredEvents.metricApproximateNumberOfMessagesVisible({
        period: MINUTE,
        statistic: 'Maximum',
      }),
    );
  }

  metric(metricName, statistic, dimensions) {
    return new cloudwatch.Metric({
      namespace: 'DeepLens',
      metricName,
      dimensionsMap: { Environment: this.environmentName, ...dimensions },
      statistic,
      period: MINUTE,
    });
  }

  silence(id, description, dimensions, minutes) {
    this.alarm(id, description, {
      metric: this.metric('Heartbeats', 'Sum', dimensions),
      threshold: 1,
      comparisonOperator: LESS_THAN_THRESHOLD,
      treatMissingData: BREACHING,
      evaluationPeriods: minutes,
      datapointsToAlarm: minutes,
    });
  }

  above(id, description, metric, threshold) {
    this.alarm(id, description, {
      metric,
      threshold,
      comparisonOperator: GREATER_THAN_THRESHOLD,
      treatMissingData: NOT_BREACHING,
      evaluationPeriods: 5,
      datapointsToAlarm: 3,
    });
  }

  below(id, description, metric, threshold) {
    this.alarm(id, description, {
      metric,
      threshold,
      comparisonOperator: LESS_THAN_THRESHOLD,
      treatMissingData: NOT_BREACHING,
      evaluationPeriods: 5,
      datapointsToAlarm: 3,
    });
  }

  once(id, description, metric) {
    this.alarm(id, description, {
      metric,
      threshold: 0,
      comparisonOperator: GREATER_THAN_THRESHOLD,
      treatMissingData: NOT_BREACHING,
      evaluationPeriods: 1,
      datapointsToAlarm: 1,
    });
  }

  alarm(id, description, props) {
    const alarm = new cloudwatch.Alarm(this, id, {
      alarmDescription: `DeepLens ${this.environmentName}: ${description}`,
      ...props,
    });
    alarm.addAlarmAction(new SnsAction(this.topic));
    alarm.addOkAction(new SnsAction(this.topic));
  }
}

module.exports = { MonitoringStack };
