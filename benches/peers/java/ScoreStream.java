import com.amazon.randomcutforest.RandomCutForest;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.lang.management.ManagementFactory;

/**
 * Scores a stream of doubles with AWS's random cut forest, each point before it is learnt, and says
 * how long that took in processor time of this thread, once warm, and how many bytes a model takes.
 * Arguments: points (big-endian doubles), scores to write, trees, shingle, sample size, decay, seed, runs.
 */
public class ScoreStream {
    static RandomCutForest forest(String[] a, long seed) {
        int shingle = Integer.parseInt(a[3]);
        return RandomCutForest.builder().dimensions(shingle).shingleSize(shingle).internalShinglingEnabled(true)
                .numberOfTrees(Integer.parseInt(a[2])).sampleSize(Integer.parseInt(a[4]))
                .timeDecay(Double.parseDouble(a[5])).initialAcceptFraction(1.0).boundingBoxCacheFraction(1.0)
                .parallelExecutionEnabled(false).randomSeed(seed).build();
    }

    static long used() throws InterruptedException {
        for (int i = 0; i < 4; i++) {
            System.gc();
            Thread.sleep(20);
        }
        Runtime runtime = Runtime.getRuntime();
        return runtime.totalMemory() - runtime.freeMemory();
    }

    public static void main(String[] a) throws Exception {
        double[] values = new double[(int) (new java.io.File(a[0]).length() / 8)];
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(new FileInputStream(a[0])))) {
            for (int i = 0; i < values.length; i++) {
                values[i] = in.readDouble();
            }
        }
        double[] scores = new double[values.length];
        long seed = Long.parseLong(a[6]);
        // The first runs let the compiler of the virtual machine settle; the last is counted.
        int runs = Integer.parseInt(a[7]);
        double seconds = 0;
        long bytes = 0;
        for (int run = 0; run < runs; run++) {
            long before = used();
            RandomCutForest forest = forest(a, seed);
            var threads = ManagementFactory.getThreadMXBean();
            long start = threads.getCurrentThreadCpuTime();
            for (int i = 0; i < values.length; i++) {
                double[] point = { values[i] };
                scores[i] = forest.getAnomalyScore(point);
                forest.update(point);
            }
            seconds = (threads.getCurrentThreadCpuTime() - start) / 1e9;
            if (run == 0) {
                bytes = used() - before;
            }
            if (forest.getTotalUpdates() == 0) {
                throw new IllegalStateException();
            }
        }
        try (DataOutputStream out = new DataOutputStream(new BufferedOutputStream(new FileOutputStream(a[1])))) {
            for (double score : scores) {
                out.writeDouble(score);
            }
        }
        System.out.println("{\"points_per_s\":" + values.length / seconds + ",\"bytes\":" + bytes + "}");
    }
}
