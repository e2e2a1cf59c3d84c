import java.nio.file.*;
import java.util.*;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.node.*;
import org.elasticsearch.plugins.PluginsLoader;

/** Single Elasticsearch node started from the Maven artifacts (no distribution). */
public class TestNode {
    public static void main(String[] a) throws Exception {
        Path home = Path.of(System.getProperty("es.path.home")).toAbsolutePath();
        Settings s = Settings.builder().put("path.home", home.toString()).build();
        var env = InternalSettingsPreparer.prepareEnvironment(s, Map.of(), home.resolve("config"), () -> "test");
        org.elasticsearch.common.logging.LogConfigurator.configureESLogging();
        org.elasticsearch.common.logging.LogConfigurator.configure(env, true);
        var loader = PluginsLoader.createPluginsLoader(
            PluginsLoader.loadModulesBundles(home.resolve("modules"), false), Set.of(), Map.of(), false);
        Node node = new Node(env, loader);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> { try { node.close(); } catch (Exception e) {} }));
        node.start();
        System.out.println("STARTED");
        new CountDownLatch(1).await();
    }
}
