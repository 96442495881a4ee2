// Alerts by e-mail, and a workbook, from the log lines of the service: docs/operations.md. The queries are in infra/queries.

@description('Name of the action group, which sends the mails.')
param actionGroupName string

@description('Address that gets the alerts.')
param email string

@description('Id of Application Insights, which has the log lines.')
param insightsId string

@description('Region of the alerts and of the workbook.')
param location string

@description('Tags of all of them.')
param tags object

@description('After how many hours unfinished work is announced, whatever it is.')
@minValue(1)
@maxValue(720)
param oldestHours int = 48

var rules = [
  {
    name: 'tidegate-timer'
    title: 'Tidegate: the timer does not run'
    about: 'The timer of the function app has not come to its end for 15 minutes: nothing that was lost is found again. Look whether the app runs: /api/health/live, and its log.'
    query: loadTextContent('../queries/dead_man.kql')
    severity: 1
    operator: 'LessThan'
    threshold: 1
    window: 'PT15M'
    column: ''
    aggregation: 'Count'
    dimension: ''
  }
  {
    name: 'tidegate-failures'
    title: 'Tidegate: work failed and waits for a person'
    about: 'See tidegate failures, or the page.'
    query: loadTextContent('../queries/failures.kql')
    severity: 2
    operator: 'GreaterThan'
    threshold: 0
    window: 'PT15M'
    column: ''
    aggregation: 'Count'
    dimension: ''
  }
  {
    name: 'tidegate-dead-letters'
    title: 'Tidegate: dead letters or crashed commands'
    about: 'Event Grid gave up deliveries that the service cannot take up, or a command crashed the service. See tidegate doctor and tidegate failures.'
    query: loadTextContent('../queries/dead_letters.kql')
    severity: 2
    operator: 'GreaterThan'
    threshold: 0
    window: 'PT15M'
    column: ''
    aggregation: 'Count'
    dimension: ''
  }
  {
    name: 'tidegate-oldest'
    title: 'Tidegate: work does not end'
    about: 'The oldest unfinished work of a kind is older than expected. See tidegate status and tidegate jobs.'
    query: loadTextContent('../queries/unfinished.kql')
    severity: 3
    operator: 'GreaterThan'
    threshold: oldestHours * 3600
    window: 'PT15M'
    column: 'oldest_s'
    aggregation: 'Maximum'
    dimension: 'work'
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: actionGroupName
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'tidegate'
    enabled: true
    emailReceivers: [{ name: 'on-call', emailAddress: email, useCommonAlertSchema: true }]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in rules: {
    name: rule.name
    location: location
    tags: tags
    properties: {
      displayName: rule.title
      description: rule.about
      severity: rule.severity
      enabled: true
      autoMitigate: true
      evaluationFrequency: 'PT5M'
      windowSize: rule.window
      scopes: [insightsId]
      criteria: {
        allOf: [
          union(
            {
              query: rule.query
              timeAggregation: rule.aggregation
              operator: rule.operator
              threshold: rule.threshold
              failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
            },
            empty(rule.column) ? {} : { metricMeasureColumn: rule.column },
            empty(rule.dimension) ? {} : { dimensions: [{ name: rule.dimension, operator: 'Include', values: ['*'] }] }
          )
        ]
      }
      actions: { actionGroups: [people.id] }
    }
  }
]

var parts = [
  { title: 'Oldest unfinished work of each kind', query: loadTextContent('../queries/unfinished.kql'), show: 'table' }
  { title: 'Work and events that wait for a person', query: loadTextContent('../queries/failures.kql'), show: 'table' }
  { title: 'Dead letters and crashed commands', query: loadTextContent('../queries/dead_letters.kql'), show: 'table' }
  { title: 'Channels that did not accept messages', query: loadTextContent('../queries/channels.kql'), show: 'table' }
  { title: 'Commands of each hour', query: loadTextContent('../queries/activity.kql'), show: 'timechart' }
  { title: 'Ticks of the timer', query: loadTextContent('../queries/dead_man.kql'), show: 'timechart' }
]

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(insightsId, 'tidegate')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Tidegate'
    category: 'workbook'
    sourceId: insightsId
    serializedData: string({
      version: 'Notebook/1.0'
      items: map(parts, part => {
        type: 3
        name: part.title
        content: {
          version: 'KqlItem/1.0'
          title: part.title
          query: part.query
          queryType: 0
          resourceType: 'microsoft.insights/components'
          visualization: part.show
          size: 0
          timeContext: { durationMs: 604800000 }
        }
      })
    })
  }
}
