package difymonitor.elastic;

import static org.elasticsearch.rest.RestRequest.Method.*;
import java.util.*;
import java.util.function.*;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.email.UAX29URLEmailTokenizer;
import org.apache.lucene.analysis.miscellaneous.RemoveDuplicatesTokenFilter;
import org.apache.lucene.analysis.pattern.PatternCaptureGroupTokenFilter;
import org.elasticsearch.Build;
import org.elasticsearch.action.*;
import org.elasticsearch.action.datastreams.CreateDataStreamAction;
import org.elasticsearch.action.support.*;
import org.elasticsearch.action.support.master.AcknowledgedResponse;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.*;
import org.elasticsearch.cluster.metadata.*;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.common.Priority;
import org.elasticsearch.common.regex.Regex;
import org.elasticsearch.common.settings.*;
import org.elasticsearch.common.util.concurrent.EsExecutors;
import org.elasticsearch.core.CheckedConsumer;
import org.elasticsearch.injection.guice.Inject;
import org.elasticsearch.tasks.Task;
import org.elasticsearch.transport.TransportService;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.index.Index;
import org.elasticsearch.index.analysis.*;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.*;
import org.elasticsearch.rest.*;
import org.elasticsearch.rest.action.RestToXContentListener;
import org.elasticsearch.xcontent.*;
import org.elasticsearch.xpack.core.ilm.*;

/**
 * REST endpoints whose Elasticsearch modules are not published as Maven artifacts: the root info page,
 * data streams and ILM policies. State handling and validation are Elasticsearch's own (server and
 * x-pack-core classes); policies are validated and stored but nothing executes them.
 */
public class MissingEndpoints extends Plugin implements ActionPlugin, AnalysisPlugin {
    private ClusterService cluster;

    @Override public Collection<?> createComponents(PluginServices services) {
        cluster = services.clusterService();
        return List.of();
    }

    private static TokenFilterFactory filter(String name, UnaryOperator<TokenStream> create) {
        return new TokenFilterFactory() {
            @Override public String name() { return name; }
            @Override public TokenStream create(TokenStream in) { return create.apply(in); }
        };
    }

    /** The analysis components of the unpublished analysis-common module that the .security index asks for. */
    @Override public Map<String, AnalysisProvider<TokenFilterFactory>> getTokenFilters() {
        return Map.of("pattern_capture", AnalysisPlugin.requiresAnalysisSettings((index, env, name, settings) -> {
            var patterns = settings.getAsList("patterns").stream().map(java.util.regex.Pattern::compile).toArray(java.util.regex.Pattern[]::new);
            boolean keep = settings.getAsBoolean("preserve_original", true);
            return filter(name, in -> new PatternCaptureGroupTokenFilter(in, keep, patterns));
        }), "unique", (index, env, name, settings) -> filter(name, RemoveDuplicatesTokenFilter::new));
    }

    @Override public Map<String, AnalysisProvider<TokenizerFactory>> getTokenizers() {
        return Map.of("uax_url_email", (index, env, name, settings) -> TokenizerFactory.newFactory(name, UAX29URLEmailTokenizer::new));
    }

    @Override public List<Setting<?>> getSettings() {
        return List.of(LifecycleSettings.LIFECYCLE_NAME_SETTING, RolloverAction.LIFECYCLE_ROLLOVER_ALIAS_SETTING,
            LifecycleSettings.LIFECYCLE_INDEXING_COMPLETE_SETTING);
    }

    @Override public List<ActionHandler> getActions() {
        return List.of(new ActionHandler(CreateDataStreamAction.INSTANCE, CreateDataStream.class));
    }

    /** Creates a data stream through the server's own service. */
    public static class CreateDataStream extends HandledTransportAction<CreateDataStreamAction.Request, AcknowledgedResponse> {
        private final MetadataCreateDataStreamService service;

        @Inject public CreateDataStream(TransportService transport, ActionFilters filters, MetadataCreateDataStreamService service) {
            super(CreateDataStreamAction.NAME, transport, filters, CreateDataStreamAction.Request::new, EsExecutors.DIRECT_EXECUTOR_SERVICE);
            this.service = service;
        }

        @Override protected void doExecute(Task task, CreateDataStreamAction.Request r, ActionListener<AcknowledgedResponse> done) {
            service.createDataStream(new MetadataCreateDataStreamService.CreateDataStreamClusterStateUpdateRequest(
                ProjectId.DEFAULT, r.getName(), null, r.masterNodeTimeout(), r.ackTimeout()), done);
        }
    }

    private static NamedXContentRegistry.Entry action(String name, ContextParser<Object, LifecycleAction> parser) {
        return new NamedXContentRegistry.Entry(LifecycleAction.class, new ParseField(name), parser::parse);
    }

    @Override public List<NamedXContentRegistry.Entry> getNamedXContent() {
        return List.of(
            new NamedXContentRegistry.Entry(LifecycleType.class, new ParseField(TimeseriesLifecycleType.TYPE),
                (p, c) -> TimeseriesLifecycleType.INSTANCE),
            action(RolloverAction.NAME, (p, c) -> RolloverAction.parse(p)),
            action(DeleteAction.NAME, (p, c) -> DeleteAction.parse(p)),
            action(ForceMergeAction.NAME, (p, c) -> ForceMergeAction.parse(p)),
            action(ShrinkAction.NAME, (p, c) -> ShrinkAction.parse(p)),
            action(ReadOnlyAction.NAME, (p, c) -> ReadOnlyAction.parse(p)),
            action(AllocateAction.NAME, (p, c) -> AllocateAction.parse(p)),
            action(MigrateAction.NAME, (p, c) -> MigrateAction.parse(p)),
            action(SetPriorityAction.NAME, (p, c) -> SetPriorityAction.parse(p)),
            action(SearchableSnapshotAction.NAME, (p, c) -> SearchableSnapshotAction.parse(p)),
            new NamedXContentRegistry.Entry(Metadata.ProjectCustom.class, new ParseField(IndexLifecycleMetadata.TYPE),
                (p, c) -> IndexLifecycleMetadata.PARSER.parse(p, null)));
    }

    /** A handler that answers from the cluster state. */
    private static RestHandler get(String path, String name, BiFunction<RestRequest, XContentBuilder, RestStatus> body) {
        return handler(List.of(new RestHandler.Route(GET, path), new RestHandler.Route(HEAD, path)), name,
            (request, client) -> channel -> {
                XContentBuilder b = channel.newBuilder();
                RestStatus status = body.apply(request, b);
                channel.sendResponse(new RestResponse(status, b));
            });
    }

    private interface Prepare { CheckedConsumer<RestChannel, Exception> apply(RestRequest r, NodeClient c) throws java.io.IOException; }

    private static RestHandler handler(List<RestHandler.Route> routes, String name, Prepare prepare) {
        return new BaseRestHandler() {
            @Override public String getName() { return name; }
            @Override public List<Route> routes() { return routes; }
            @Override protected RestChannelConsumer prepareRequest(RestRequest r, NodeClient c) throws java.io.IOException {
                for (String p : List.of("master_timeout", "timeout", "expand_wildcards", "include_defaults", "human", "name")) r.param(p);
                var consumer = prepare.apply(r, c);
                return consumer::accept;
            }
        };
    }

    private void update(String source, UnaryOperator<ClusterState> change, ActionListener<AcknowledgedResponse> done) {
        cluster.submitUnbatchedStateUpdateTask(source, new ClusterStateUpdateTask(Priority.HIGH) {
            @Override public ClusterState execute(ClusterState s) { return change.apply(s); }
            @Override public void onFailure(Exception e) { done.onFailure(e); }
            @Override public void clusterStateProcessed(ClusterState a, ClusterState b) { done.onResponse(AcknowledgedResponse.TRUE); }
        });
    }

    private static IndexLifecycleMetadata ilm(ClusterState s) { return s.metadata().getProject().custom(IndexLifecycleMetadata.TYPE, IndexLifecycleMetadata.EMPTY); }

    private static ClusterState withPolicies(ClusterState s, Map<String, LifecyclePolicyMetadata> policies) {
        return ClusterState.builder(s).putProjectMetadata(ProjectMetadata.builder(s.metadata().getProject())
            .putCustom(IndexLifecycleMetadata.TYPE, new IndexLifecycleMetadata(policies, OperationMode.RUNNING))).build();
    }

    private List<DataStream> streams(String patterns) {
        return cluster.state().metadata().getProject().dataStreams().values().stream()
            .filter(d -> Regex.simpleMatch(patterns.split(","), d.getName())).sorted(Comparator.comparing(DataStream::getName)).toList();
    }

    @Override
    public Collection<RestHandler> getRestHandlers(RestHandlersServices services, Supplier<DiscoveryNodes> nodes,
            Predicate<NodeFeature> features) {
        return List.of(
            get("/", "test_main", (r, b) -> json(() -> {
                Build build = Build.current();
                b.startObject().field("name", cluster.getNodeName()).field("cluster_name", cluster.getClusterName().value())
                    .field("cluster_uuid", cluster.state().metadata().clusterUUID()).startObject("version")
                    .field("number", build.qualifiedVersion()).field("build_flavor", build.flavor())
                    .field("build_type", build.type().displayName()).field("build_hash", build.hash())
                    .field("build_date", build.date()).field("build_snapshot", build.isSnapshot())
                    .field("lucene_version", org.apache.lucene.util.Version.LATEST.toString())
                    .field("minimum_wire_compatibility_version", build.minWireCompatVersion())
                    .field("minimum_index_compatibility_version", build.minIndexCompatVersion())
                    .endObject().field("tagline", "You Know, for Search").endObject();
                return RestStatus.OK;
            })),
            get("/_data_stream", "test_data_streams", (r, b) -> json(() -> dataStreams("*", b))),
            get("/_data_stream/{name}", "test_data_stream_get", (r, b) -> json(() -> dataStreams(r.param("name"), b))),
            handler(List.of(new RestHandler.Route(PUT, "/_data_stream/{name}")), "test_data_stream_put", (r, c) -> {
                var t = org.elasticsearch.core.TimeValue.timeValueSeconds(30);
                var create = new CreateDataStreamAction.Request(t, t, r.param("name"));
                return ch -> c.execute(CreateDataStreamAction.INSTANCE, create, new RestToXContentListener<>(ch));
            }),
            handler(List.of(new RestHandler.Route(DELETE, "/_data_stream/{name}")), "test_data_stream_delete", (r, c) -> {
                String name = r.param("name");
                return ch -> {
                    var gone = streams(name);
                    if (gone.isEmpty() && Regex.isSimpleMatchPattern(name) == false)
                        throw new org.elasticsearch.ResourceNotFoundException("data stream [{}] not found", name);
                    update("delete data streams", s -> {
                        var m = ProjectMetadata.builder(s.metadata().getProject());
                        Set<Index> indices = new HashSet<>();
                        for (DataStream d : gone) { m.removeDataStream(d.getName()); indices.addAll(d.getIndices()); }
                        return MetadataDeleteIndexService.deleteIndices(
                            ClusterState.builder(s).putProjectMetadata(m).build(), indices, cluster.getSettings());
                    }, new RestToXContentListener<>(ch));
                };
            }),
            get("/_ilm/policy", "test_ilm_policies", (r, b) -> json(() -> policies("*", b))),
            get("/_ilm/policy/{name}", "test_ilm_policy_get", (r, b) -> json(() -> policies(r.param("name"), b))),
            get("/_ilm/status", "test_ilm_status", (r, b) -> json(() -> { b.startObject().field("operation_mode", "RUNNING").endObject(); return RestStatus.OK; })),
            handler(List.of(new RestHandler.Route(PUT, "/_ilm/policy/{name}")), "test_ilm_policy_put", (r, c) -> {
                String name = r.param("name");
                LifecyclePolicy policy;
                try (XContentParser p = r.contentParser()) {
                    if (p.nextToken() != XContentParser.Token.START_OBJECT || p.nextToken() != XContentParser.Token.FIELD_NAME || !"policy".equals(p.currentName()))
                        throw new IllegalArgumentException("expected {\"policy\": {...}}");
                    p.nextToken();
                    policy = LifecyclePolicy.parse(p, name);
                }
                LifecyclePolicy.validatePolicyName(name);
                policy.validate();
                return ch -> update("put ilm policy", s -> {
                    var all = new TreeMap<>(ilm(s).getPolicyMetadatas());
                    long version = all.containsKey(name) ? all.get(name).getVersion() + 1 : 1;
                    all.put(name, new LifecyclePolicyMetadata(policy, Map.of(), version, System.currentTimeMillis()));
                    return withPolicies(s, all);
                }, new RestToXContentListener<>(ch));
            }),
            handler(List.of(new RestHandler.Route(DELETE, "/_ilm/policy/{name}")), "test_ilm_policy_delete", (r, c) -> {
                String name = r.param("name");
                return ch -> update("delete ilm policy", s -> {
                    var all = new TreeMap<>(ilm(s).getPolicyMetadatas());
                    if (all.remove(name) == null) throw new org.elasticsearch.ResourceNotFoundException("Lifecycle policy not found: {}", name);
                    return withPolicies(s, all);
                }, new RestToXContentListener<>(ch));
            }));
    }

    private RestStatus policies(String patterns, XContentBuilder b) throws Exception {
        b.startObject();
        int n = 0;
        for (var e : ilm(cluster.state()).getPolicyMetadatas().entrySet()) {
            if (Regex.simpleMatch(patterns.split(","), e.getKey()) == false) continue;
            n++;
            b.startObject(e.getKey()).field("version", e.getValue().getVersion())
                .field("modified_date", e.getValue().getModifiedDateString()).field("policy", e.getValue().getPolicy()).endObject();
        }
        if (n == 0 && Regex.isSimpleMatchPattern(patterns) == false)
            b.field("error", "Lifecycle policy not found: " + patterns).field("status", 404);
        b.endObject();
        return n == 0 && Regex.isSimpleMatchPattern(patterns) == false ? RestStatus.NOT_FOUND : RestStatus.OK;
    }

    private RestStatus dataStreams(String patterns, XContentBuilder b) throws Exception {
        var found = streams(patterns);
        boolean missing = found.isEmpty() && Regex.isSimpleMatchPattern(patterns) == false;
        ProjectMetadata meta = cluster.state().metadata().getProject();
        b.startObject().startArray("data_streams");
        for (DataStream d : found) {
            b.startObject().field("name", d.getName()).startObject("timestamp_field").field("name", "@timestamp").endObject().startArray("indices");
            for (Index i : d.getIndices()) b.startObject().field("index_name", i.getName()).field("index_uuid", i.getUUID()).endObject();
            b.endArray().field("generation", d.getGeneration()).field("status", "GREEN")
                .field("template", MetadataIndexTemplateService.findV2Template(meta, d.getName(), false))
                .field("ilm_policy", meta.index(d.getWriteIndex()).getSettings().get(LifecycleSettings.LIFECYCLE_NAME))
                .field("hidden", d.isHidden()).field("system", d.isSystem()).endObject();
        }
        b.endArray();
        if (missing) b.field("error", "no such index [" + patterns + "]").field("status", 404);
        b.endObject();
        return missing ? RestStatus.NOT_FOUND : RestStatus.OK;
    }

    private static RestStatus json(java.util.concurrent.Callable<RestStatus> body) {
        try { return body.call(); } catch (RuntimeException e) { throw e; } catch (Exception e) { throw new RuntimeException(e); }
    }
}
